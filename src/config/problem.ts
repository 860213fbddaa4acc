/** What is wrong with a configuration, and where. */

/** Keys and indices from the root of the document to a node. */
export type NodePath = readonly (string | number)[];

/** A mistake that has no line yet. */
export interface Finding {
  readonly path: NodePath;
  readonly message: string;
  /** Whether the key or the value is wrong; the value unless told. */
  readonly at?: 'key' | 'value';
}

/** One mistake in a configuration file, or in one that it includes. */
export interface Problem {
  /** The included file that it is in; absent for the file that includes. */
  readonly file?: string;
  /** Where in the document, as in `policies[0].require`; '' for the document as a whole. */
  readonly path: string;
  /** One-based. */
  readonly line: number;
  /** One-based. */
  readonly column: number;
  /** One sentence, lower case; never a secret. */
  readonly message: string;
}

/** A configuration that cannot be used, with every mistake that was found. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The file that was asked for. */
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(describeProblems(problems, file));
    this.file = file;
    this.problems = problems;
  }
}

/** A line for each problem: `FILE:LINE:COLUMN path: message`. */
export function describeProblems(problems: readonly Problem[], file: string): string {
  return problems
    .map(({ file: included, path, line, column, message }) => {
      const where = path === '' ? '' : ` ${path}:`;
      return `${included ?? file}:${line}:${column}${where} ${message}`;
    })
    .join('\n');
}

/** A path as people write it: `policies[0].match`, `upstreams["docker.io"].url`. */
export function formatPath(path: NodePath): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      if (!/^[A-Za-z_][\w-]*$/.test(part)) return `[${JSON.stringify(part.slice(0, 160))}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join('');
}
