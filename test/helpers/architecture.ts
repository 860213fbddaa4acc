/** The rules of the house over source files: which room may import which, no circles, no oversized files. */
import { posix } from 'node:path';
import ts from 'typescript';

/** What one room may import besides itself. */
export interface RoomRules {
  readonly rooms: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly types?: readonly string[];
  /** Packages and `node:` modules; anything unless told. */
  readonly outside?: readonly string[];
}

/** By room: a folder of `src/`, or the name of a file that stands in `src/` itself. */
export type Rooms = Readonly<Record<string, RoomRules>>;

export interface ImportEdge {
  readonly from: string;
  /** A path relative to the source folder, or a package's name. */
  readonly to: string;
  readonly line: number;
  readonly typeOnly: boolean;
  readonly local: boolean;
}

interface SourceFacts {
  readonly imports: readonly ImportEdge[];
  readonly findings: readonly string[];
}

/**
 * Every broken rule, as a sentence that names file and line.
 * @param sources texts by path relative to the source folder.
 */
export function findViolations(
  sources: ReadonlyMap<string, string>,
  rooms: Rooms,
  maxLines: number,
): readonly string[] {
  const facts = [...sources].map(([file, text]) => readSource(file, text));
  const imports = facts.flatMap((fact) => fact.imports);
  return [
    ...[...sources].flatMap(([file, text]) => checkFile(file, text, rooms, maxLines)),
    ...facts.flatMap(({ findings }) => findings),
    ...imports.flatMap((edge) => checkEdge(edge, sources, rooms)),
    ...findCircles(imports.filter(({ local }) => local)),
  ];
}

/** `admission/judge.ts` is in admission, `main.ts` in main. */
export function roomOf(file: string): string {
  return file.split('/', 1)[0]?.replace(/\.ts$/, '') ?? '';
}

function checkFile(file: string, text: string, rooms: Rooms, maxLines: number): string[] {
  const violations: string[] = [];
  const lines = text.split('\n').length - 1;
  if (!Object.hasOwn(rooms, roomOf(file))) violations.push(`${file}: in no known room`);
  if (lines > maxLines) violations.push(`${file}: ${lines} lines, expected at most ${maxLines}`);
  if (posix.basename(file) === 'index.ts') violations.push(`${file}: a barrel file`);
  if (!text.replace(/^#!.*\n/, '').startsWith('/**')) {
    violations.push(`${file}: expected a first sentence that says what the file is for`);
  }
  return violations;
}

function checkEdge(edge: ImportEdge, sources: ReadonlyMap<string, string>, rooms: Rooms): string[] {
  const { from, to, line, typeOnly, local } = edge;
  const room = roomOf(from);
  const rules = rooms[room];
  if (rules === undefined) return [];
  if (!local) {
    const allowed = rules.outside === undefined || rules.outside.includes(to);
    return allowed ? [] : [`${from}:${line}: ${room} must not import ${to}`];
  }
  if (!sources.has(to)) return [`${from}:${line}: there is no ${to}`];
  const target = roomOf(to);
  if (target === room || rules.rooms.includes(target)) return [];
  if (rules.types?.includes(target) === true) {
    return typeOnly
      ? []
      : [`${from}:${line}: ${room} may import only types from ${target} (${to})`];
  }
  return [`${from}:${line}: ${room} must not import ${target} (${to})`];
}

/** Reads a file's imports and its forbidden exports off its syntax tree. */
export function readSource(file: string, text: string): SourceFacts {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const imports: ImportEdge[] = [];
  const findings: string[] = [];
  const lineOf = (node: ts.Node): number =>
    source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;

  function add(node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void {
    if (specifier === undefined) return;
    if (!ts.isStringLiteralLike(specifier)) {
      findings.push(
        `${file}:${lineOf(node)}: an import whose target only the running program knows`,
      );
      return;
    }
    const local = specifier.text.startsWith('.');
    const to = local
      ? posix.normalize(posix.join(posix.dirname(file), specifier.text))
      : specifier.text;
    imports.push({ from: file, to, line: lineOf(node), typeOnly, local });
  }

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) {
      // `import { type X }` still runs the module: with verbatimModuleSyntax only `import type` is erased whole.
      add(
        node,
        node.moduleSpecifier,
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      );
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
      if (exportsDefault(node)) findings.push(`${file}:${lineOf(node)}: a default export`);
      if (node.moduleSpecifier !== undefined && node.exportClause === undefined) {
        findings.push(`${file}:${lineOf(node)}: export * makes a barrel`);
      }
    } else if (ts.isExportAssignment(node)) {
      findings.push(`${file}:${lineOf(node)}: a default export`);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, true);
    } else if (
      ts.canHaveModifiers(node) &&
      ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) === true
    ) {
      findings.push(`${file}:${lineOf(node)}: a default export`);
    }
    ts.forEachChild(node, visit);
  }
  visit(source);
  return { imports, findings };
}

function exportsDefault(node: ts.ExportDeclaration): boolean {
  const clause = node.exportClause;
  return (
    clause !== undefined &&
    ts.isNamedExports(clause) &&
    clause.elements.some(({ name }) => name.text === 'default')
  );
}

/** Each circle once, however many files lead into it; imports of types count too. */
function findCircles(edges: readonly ImportEdge[]): readonly string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const circles = new Set<string>();
  const done = new Set<string>();

  function walk(file: string, trail: readonly string[]): void {
    const start = trail.indexOf(file);
    if (start !== -1) {
      circles.add(`a circle: ${[...trail.slice(start), file].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    for (const target of next.get(file) ?? []) walk(target, [...trail, file]);
    done.add(file);
  }
  for (const file of next.keys()) walk(file, []);
  return [...circles];
}
