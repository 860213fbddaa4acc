/** Names as layouts carry them between machines: full, so that no configuration's defaults change what they mean. */
import {
  formatReference,
  formatRepository,
  parseReferenceIn,
  parseRepository,
  type Reference,
  type Repository,
} from '../oci/reference.ts';
import { shown } from './layout-error.ts';

/** @throws {SyntaxError} unless it is `registry/path`, as it is spelled here. */
export function parseFullRepository(name: string): Repository {
  const slash = name.indexOf('/');
  if (slash > 0) {
    const repository = parseRepository(name.slice(0, slash), name.slice(slash + 1));
    if (formatRepository(repository) === name) return repository;
  }
  throw new SyntaxError(`expected the full name of a repository, got ${shown(name)}`);
}

/** @throws {SyntaxError} unless it is `registry/path:tag` or `registry/path@digest`, as it is spelled here. */
export function parseFullReference(name: string): Reference {
  const at = name.indexOf('@');
  const colon = name.lastIndexOf(':');
  const end = at === -1 ? colon : at;
  if (end > name.indexOf('/')) {
    const repository = parseFullRepository(name.slice(0, end));
    const reference = parseReferenceIn(repository, name.slice(end + 1));
    if (formatReference(reference) === name) return reference;
  }
  throw new SyntaxError(`expected the full name of an image, got ${shown(name)}`);
}

/** @returns undefined for a name that is not full. */
export function findFullReference(name: string | undefined): Reference | undefined {
  if (name === undefined) return undefined;
  try {
    return parseFullReference(name);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
