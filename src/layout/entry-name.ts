/** Names of files in archives from elsewhere: relative, of one spelling, below where they are unpacked. */
import { MAX_NAME } from './bounds.ts';
import { LayoutError, shown } from './layout-error.ts';

/**
 * The one spelling of a name: `./blobs/` is `blobs`; '' is the root.
 * @throws {LayoutError} `hostile` for names that lead elsewhere, or that two systems could understand differently.
 */
export function parseEntryName(name: string): string {
  const refuse = (why: string): never => {
    throw new LayoutError('hostile', `the entry ${shown(name)} ${why}`);
  };
  if (Buffer.byteLength(name) > MAX_NAME) refuse(`has a name of more than ${MAX_NAME} bytes`);
  if (name.startsWith('/') || /^[a-zA-Z]:/.test(name)) refuse('has an absolute name');
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f\\\ufffd]/.test(name)) refuse('has a name with a backslash or control');
  const parts = name.split('/');
  if (parts.includes('..')) refuse('leads out of the layout');
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}

/** Takes names and refuses those that a file system could take for one that it has. */
export class NameBook {
  readonly #known = new Map<string, string>();

  /** @throws {LayoutError} `hostile` */
  add(name: string): void {
    // What macOS and Windows hold to be one name.
    const folded = name.normalize('NFKC').toLowerCase();
    const other = this.#known.get(folded);
    if (other !== undefined) {
      throw new LayoutError(
        'hostile',
        other === name
          ? `the entry ${shown(name)} is there twice`
          : `the entries ${shown(other)} and ${shown(name)} differ in nothing but their spelling`,
      );
    }
    this.#known.set(folded, name);
  }
}
