/** The YAML text as a plain value that still knows on which line each of its parts stands. */
import { isAlias, isMap, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { ConfigError, formatPath, type NodePath, type Problem } from './problem.ts';

/** Bytes of a configuration file. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** How often aliases may repeat content, so that a short file cannot unfold into a huge one. */
const MAX_ALIASES = 100;

/** Mistakes of syntax that are told; the first makes many of the others. */
const MAX_MISTAKES = 20;

export interface ConfigDocument {
  /** Plain data; {} for an empty file. */
  readonly value: unknown;
  /**
   * A problem with the part at a path, at its nearest ancestor where the part itself is absent.
   * @param at whether the key or the value is what is wrong.
   */
  problem(path: NodePath, message: string, at?: 'key' | 'value'): Problem;
}

/**
 * Parses YAML 1.2 with string keys, each of them once in its mapping.
 * @param file for messages alone.
 * @throws {ConfigError} with every mistake of syntax, and for aliases that unfold too far.
 */
export function parseConfigDocument(text: string, file: string): ConfigDocument {
  const lineCounter = new LineCounter();
  const position = (offset: number): { line: number; column: number } => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problemAt = (offset: number, message: string): Problem => ({
    path: '',
    ...position(offset),
    message,
  });

  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  } catch (error) {
    // The parser descends by recursion.
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(file, [problemAt(0, 'nested too deeply')]);
  }
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) {
    throw new ConfigError(file, [problemAt(0, 'nested too deeply')]);
  }
  if (mistakes.length > 0) {
    const problems = mistakes
      .slice(0, MAX_MISTAKES)
      .map(({ pos, message }) => problemAt(pos[0], inHouseStyle(message)));
    throw new ConfigError(file, problems);
  }
  return {
    value: toPlain(document, (message) => new ConfigError(file, [problemAt(0, message)])),
    problem: (path, message, at = 'value') => ({
      path: formatPath(path),
      ...position(offsetOf(document, path, at)),
      message,
    }),
  };
}

function toPlain(document: Document.Parsed, refusal: (message: string) => ConfigError): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return value ?? {};
  } catch (error) {
    if (error instanceof ReferenceError) throw refusal('too many aliases');
    if (error instanceof RangeError) throw refusal('nested too deeply');
    throw error;
  }
}

/** Where the part at a path begins; aliases are followed. */
function offsetOf(document: Document.Parsed, path: NodePath, at: 'key' | 'value'): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [index, part] of path.entries()) {
    const here: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    let child: unknown;
    if (isMap(here)) {
      const pair = here.items.find(({ key }) => keyText(key) === part);
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key);
      const last = index === path.length - 1;
      // An empty value has no place of its own worth showing.
      if (last && (at === 'key' || startOf(pair.value) === undefined)) return keyOffset ?? offset;
      offset = keyOffset ?? offset;
      child = pair.value;
    } else if (isSeq(here) && typeof part === 'number') {
      child = here.items[part];
    }
    if (!isNode(child)) return offset;
    node = child;
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'range' in value;
}

function startOf(value: unknown): number | undefined {
  return isNode(value) ? value.range?.[0] : undefined;
}

function keyText(key: unknown): unknown {
  return typeof key === 'object' && key !== null && 'value' in key ? key.value : key;
}

function inHouseStyle(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}
