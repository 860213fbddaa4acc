/** Lists of images: files of lines, or of YAML, and references on the command line. */
import { formatWanted, parsePlatform, parseWanted, type Wanted } from '../carry/wanted.ts';
import { parseConfigDocument, type ConfigDocument } from '../config/document.ts';
import { ConfigError, type NodePath, type Problem } from '../config/problem.ts';
import { inOrder } from '../config/source.ts';
import { isJsonObject } from '../oci/json.ts';
import type { ReferenceDefaults } from '../oci/reference.ts';

/** Bytes of a list. */
export const MAX_LIST = 1024 * 1024;
/** Mistakes that are told. */
const MAX_TOLD = 20;

/** How references are read, and which platforms are meant where none are written. */
export interface ListOptions {
  readonly defaults: ReferenceDefaults;
  readonly platforms: readonly string[] | undefined;
  readonly isRegistry: (name: string) => boolean;
}

/**
 * Reads a reference or pattern whose registry is known here.
 * @throws {SyntaxError} when it is none.
 */
export function readWanted(
  text: string,
  platforms: readonly string[] | undefined,
  { defaults, isRegistry }: ListOptions,
): Wanted {
  const wanted = parseWanted(text, platforms, defaults);
  const { repository } = wanted.pattern === undefined ? wanted.reference : wanted;
  const { registry } = repository;
  if (!isRegistry(registry)) {
    throw new SyntaxError(`${formatWanted(wanted)}: no upstream named ${registry} is configured`);
  }
  return wanted;
}

/**
 * Lines of `REFERENCE [platform,…]` in which `#` begins a comment, or YAML with `images` and `platforms`.
 * @param file for messages alone.
 * @throws {ConfigError} with every mistake and its line.
 */
export function parseImageList(
  text: string,
  file: string,
  options: ListOptions,
): readonly Wanted[] {
  const bare = text.replace(/^\uFEFF/, '');
  return isYaml(bare, file) ? parseYaml(bare, file, options) : parseLines(bare, file, options);
}

function isYaml(text: string, file: string): boolean {
  if (/\.(?:ya?ml|json)$/i.test(file)) return true;
  const first = text.split('\n').find((line) => !/^\s*(?:#|$)/.test(line)) ?? '';
  return /^(?:images|platforms)\s*:(?:\s|$)|^\{|^---/.test(first);
}

function parseLines(text: string, file: string, options: ListOptions): readonly Wanted[] {
  const problems: Problem[] = [];
  const found = text.split('\n').flatMap((line, index) => {
    const [reference = '', platforms, ...rest] = line
      .replace(/(?:^|\s)#.*/, '')
      .trim()
      .split(/\s+/);
    if (reference === '') return [];
    try {
      if (rest.length > 0) throw new SyntaxError('expected REFERENCE [PLATFORM,…] on a line');
      const chosen = platforms?.split(',').map(parsePlatform) ?? options.platforms;
      return [readWanted(reference, chosen, options)];
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      problems.push({ path: '', line: index + 1, column: 1, message: error.message });
      return [];
    }
  });
  return complete(found, problems, file);
}

function parseYaml(text: string, file: string, options: ListOptions): readonly Wanted[] {
  const document = parseConfigDocument(text, file);
  const reader = new ListReader(document, options);
  const found = reader.read();
  return complete(found, reader.problems, file);
}

class ListReader {
  readonly problems: Problem[] = [];
  readonly #document: ConfigDocument;
  readonly #options: ListOptions;

  constructor(document: ConfigDocument, options: ListOptions) {
    this.#document = document;
    this.#options = options;
  }

  read(): readonly Wanted[] {
    const members = this.#members(this.#document.value, [], ['images', 'platforms']);
    const { images } = members;
    const platforms = this.#platforms(members['platforms'], ['platforms']);
    if (!Array.isArray(images)) {
      this.#report(['images'], 'expected images: a list of references');
      return [];
    }
    return images.flatMap((item: unknown, index) => {
      const at = ['images', index];
      return this.#image(item, at, platforms ?? this.#options.platforms);
    });
  }

  #image(item: unknown, at: NodePath, around: readonly string[] | undefined): readonly Wanted[] {
    const known = ['reference', 'platforms'];
    const entry = typeof item === 'string' ? { reference: item } : this.#members(item, at, known);
    const { reference, platforms } = entry as { reference?: unknown; platforms?: unknown };
    if (typeof reference !== 'string') {
      this.#report(at, 'expected a reference, or a mapping that has one');
      return [];
    }
    const chosen = this.#platforms(platforms, [...at, 'platforms']) ?? around;
    return this.#try(at, () => readWanted(reference, chosen, this.#options));
  }

  #platforms(value: unknown, at: NodePath): readonly string[] | undefined {
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length === 0) {
      this.#report(at, 'expected a list of platforms');
      return undefined;
    }
    return value.flatMap((item: unknown, index) =>
      this.#try([...at, index], () => parsePlatform(typeof item === 'string' ? item : '')),
    );
  }

  /** A mapping without any members but these. */
  #members(value: unknown, at: NodePath, known: readonly string[]) {
    if (!isJsonObject(value)) {
      this.#report(at, `expected a mapping of ${known.join(' and ')}`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const expected = known.join(' or ');
      this.#report([...at, key], `unknown key ${JSON.stringify(key)}: expected ${expected}`, 'key');
    }
    return value;
  }

  #try<T>(at: NodePath, parse: () => T): readonly T[] {
    try {
      return [parse()];
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#report(at, error.message);
      return [];
    }
  }

  #report(at: NodePath, message: string, what?: 'key' | 'value'): void {
    this.problems.push(this.#document.problem(at, message, what));
  }
}

function complete(
  found: readonly Wanted[],
  problems: readonly Problem[],
  file: string,
): readonly Wanted[] {
  if (problems.length > 0) throw new ConfigError(file, inOrder(problems).slice(0, MAX_TOLD));
  return found;
}
