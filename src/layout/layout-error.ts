/** Why an image layout cannot be read, or is not what it says it is. */

export type LayoutErrorCode =
  /** There is no such file, or it cannot be read. */
  | 'unreadable'
  /** It is compressed. */
  | 'compressed'
  /** No OCI image layout. */
  | 'not-a-layout'
  /** Names, links, sums or sizes that no writer of layouts makes. */
  | 'hostile'
  /** It ends before its end. */
  | 'truncated'
  /** More than is looked at. */
  | 'too-large'
  /** Content that is not what its name, the index or the record says. */
  | 'edited'
  /** A blob that something names is not there. */
  | 'missing'
  /** It names something in a way that cannot be understood. */
  | 'unnamed';

/** The message names the entry, what it should be and what it is. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
  readonly code: LayoutErrorCode;

  constructor(code: LayoutErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** A stranger's name in a message: short, and in quotes. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 160 ? `${name.slice(0, 160)}…` : name);
}
