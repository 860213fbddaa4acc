/** Notation's own folder of configuration, used as it is: a trust policy and the trust stores that it names. */
import { createHash } from 'node:crypto';
import {
  NOTATION_STORE_KINDS,
  parseTrustPolicy,
  selectStatement,
  type TrustPolicyDocument,
  type TrustPolicyStatement,
  type TrustStoreName,
} from '../policy/notation-trust-policy.ts';
import { notationRoot, type NotationRoot, type NotationStoreFile } from './notation-root.ts';
import { parseStoreFile } from './notation-store.ts';

/** One thing in the folder. */
export type NotationFolderEntry =
  | { readonly kind: 'file'; readonly bytes: Buffer }
  | { readonly kind: 'folder' }
  /** A symbolic link, wherever it leads. */
  | { readonly kind: 'link' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** The folder as it was read, at once. */
export interface NotationFolderContent {
  /** For messages. */
  readonly path: string;
  /** In the order of their paths, which are relative to the folder, with slashes. */
  readonly entries: readonly (NotationFolderEntry & { readonly path: string })[];
}

/** A trust policy with the trust root of each of its statements. */
export interface NotationPolicyRoot {
  readonly kind: 'notation-policy';
  /** The configured name, as rules refer to it. */
  readonly name: string;
  /** Names the content: another policy or other certificates are another id, and everything is decided anew. */
  readonly id: string;
  readonly document: TrustPolicyDocument;
  /** What the stores of a statement hold; none for one that verifies nothing. */
  readonly roots: ReadonlyMap<TrustPolicyStatement, NotationRoot>;
  /** What was left unread, for people. */
  readonly warnings: readonly string[];
}

/** A statement, and the root that its signatures are checked under where it demands any. */
export interface SelectedStatement {
  readonly statement: TrustPolicyStatement;
  readonly root: NotationRoot | undefined;
}

/** Notation from 1.3 on knows both, and its versions differ in which they prefer. */
const POLICIES = ['trustpolicy.json', 'trustpolicy.oci.json'] as const;
/** The second is how texts about Notation spell it. */
const STORE_FOLDERS = ['truststore', 'trust-store'] as const;
/** Entries of one store. */
const MAX_ENTRIES = 256;

/**
 * Reads the folder's content. Stores that no statement names confer no trust and are left unread.
 * @param name - The root's name.
 * @throws {SyntaxError} that names the file: for an invalid policy, a store that is missing or empty, symbolic links (the
 * specification forbids them), files that are no certificates, and where two files or folders could be meant.
 */
export function parseNotationConfigDir(
  name: string,
  { path, entries }: NotationFolderContent,
  revocationLists: readonly Buffer[] = [],
  privateHosts: readonly string[] = [],
): NotationPolicyRoot {
  const folder = {
    path,
    entries: new Map<string, NotationFolderEntry>(entries.map((entry) => [entry.path, entry])),
  };
  const policyFile = onlyOneOf(folder, POLICIES) ?? POLICIES[0];
  const policy = bytesOf(folder, policyFile);
  const document = labelled(`${path}/${policyFile}`, () => parseTrustPolicy(policy));
  const warnings: string[] = [];
  const stores = readStores(folder, document, warnings);
  const roots = new Map<TrustPolicyStatement, NotationRoot>();
  for (const statement of document.statements) {
    if (statement.verification === 'skip') continue;
    const files = NOTATION_STORE_KINDS.flatMap((kind) => {
      const ofKind = statement.trustStores.filter((store) => store.kind === kind);
      if (ofKind.length === 0) return [];
      return [[kind, ofKind.flatMap((store) => stores.get(keyOf(store)) ?? [])] as const];
    });
    const label = `${path}/${policyFile}: statement ${JSON.stringify(statement.name)}`;
    const root = labelled(label, () =>
      notationRoot(name, Object.fromEntries(files), revocationLists, privateHosts),
    );
    roots.set(statement, root);
  }
  const id = idOf(policy, [...roots.values()]);
  return { kind: 'notation-policy', name, id, document, roots, warnings };
}

/** The statement for a repository, see {@link selectStatement}. */
export function statementFor(
  { document, roots }: NotationPolicyRoot,
  repository: string,
): SelectedStatement | undefined {
  const statement = selectStatement(document, repository);
  return statement === undefined ? undefined : { statement, root: roots.get(statement) };
}

interface Folder {
  readonly path: string;
  readonly entries: ReadonlyMap<string, NotationFolderEntry>;
}

/** @throws {SyntaxError} where both are there: Notation and we might not mean the same one. */
function onlyOneOf(
  { path, entries }: Folder,
  names: readonly [string, string],
): string | undefined {
  const found = names.filter((name) => entries.has(name));
  if (found.length < 2) return found[0];
  throw new SyntaxError(`${path}: expected ${names.join(' or ')}, found both: remove one`);
}

function idOf(policy: Buffer, roots: readonly NotationRoot[]): string {
  const digest = createHash('sha256').update(policy).digest('hex');
  return createHash('sha256')
    .update(JSON.stringify(['notation-policy', digest, roots.map(({ id }) => id)]))
    .digest('hex');
}

function keyOf({ kind, name }: TrustStoreName): string {
  return `${kind}:${name}`;
}

/** The stores that the document names, as `ca:acme-rockets`. */
function readStores(
  folder: Folder,
  { statements }: TrustPolicyDocument,
  warnings: string[],
): ReadonlyMap<string, readonly NotationStoreFile[]> {
  const parent = onlyOneOf(folder, STORE_FOLDERS) ?? STORE_FOLDERS[0];
  const stores = new Map<string, readonly NotationStoreFile[]>();
  for (const statement of statements) {
    if (statement.verification === 'skip') continue;
    for (const store of statement.trustStores) {
      const key = keyOf(store);
      if (!stores.has(key)) stores.set(key, readStore(folder, parent, store, warnings));
    }
  }
  return stores;
}

function readStore(
  folder: Folder,
  parent: string,
  { kind, name }: TrustStoreName,
  warnings: string[],
): readonly NotationStoreFile[] {
  const path = `${parent}/x509/${kind}/${name}`;
  const label = `${folder.path}/${path}`;
  const itself = folder.entries.get(path);
  if (itself?.kind === 'link') throw linkError(label);
  if (itself?.kind === 'unreadable') throw new SyntaxError(`${label}: ${itself.reason}`);
  if (itself?.kind !== 'folder') {
    throw new SyntaxError(`${label}: expected the trust store ${kind}:${name}, found none`);
  }
  const paths = [...folder.entries.keys()].filter((other) => other.startsWith(`${path}/`));
  if (paths.length > MAX_ENTRIES) {
    throw new SyntaxError(`${label}: expected at most ${MAX_ENTRIES} files, got ${paths.length}`);
  }
  const files: NotationStoreFile[] = [];
  for (const file of paths) {
    if (folder.entries.get(file)?.kind === 'folder') {
      warnings.push(`${folder.path}/${file}: folders inside a trust store are not read`);
      continue;
    }
    files.push(parseStoreFile(bytesOf(folder, file), `${folder.path}/${file}`));
  }
  if (files.length === 0) throw new SyntaxError(`${label}: expected at least one certificate`);
  return files;
}

function bytesOf({ path, entries }: Folder, file: string): Buffer {
  const label = `${path}/${file}`;
  const entry = entries.get(file);
  switch (entry?.kind) {
    case 'file':
      return entry.bytes;
    case 'link':
      throw linkError(label);
    case 'unreadable':
      throw new SyntaxError(`${label}: ${entry.reason}`);
    case 'folder':
      throw new SyntaxError(`${label}: expected a file, found a folder`);
    case undefined:
      throw new SyntaxError(`${label}: expected a file, found none`);
  }
}

function linkError(path: string): SyntaxError {
  return new SyntaxError(
    `${path}: expected no symbolic link: Notation follows none here, put the file itself there`,
  );
}

function labelled<T>(label: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${label}: ${error.message}`, { cause: error });
  }
}
