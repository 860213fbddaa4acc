/** Notation's own trust policy for registries: `trustpolicy.json`, version 1.0 (trust-store-trust-policy.md). */
import { isJsonObject, parseJson, type JsonObject } from '../oci/json.ts';
import { formatRepository, parseRepository } from '../oci/reference.ts';
import { suggestName } from './near-name.ts';
import { parseLevel, type NotationLevel } from './notation-level.ts';
import { parseTrustedIdentities, type TrustedIdentity } from './trusted-identity.ts';

/** What the certificates of a trust store vouch for. */
export type NotationStoreKind = 'ca' | 'signingAuthority' | 'tsa';

export const NOTATION_STORE_KINDS: readonly NotationStoreKind[] = ['ca', 'signingAuthority', 'tsa'];

/** `ca:acme-rockets` */
export interface TrustStoreName {
  readonly kind: NotationStoreKind;
  readonly name: string;
}

/** When a signature of `notary.x509` has to carry a timestamp, where a `tsa` store is named. */
export type VerifyTimestamp = 'always' | 'afterCertExpiry';

/** One statement; `skip` lets through without any signature. */
export type TrustPolicyStatement = {
  readonly name: string;
  /** Repositories as `host[:port]/path`, or `*` alone. */
  readonly registryScopes: readonly string[];
} & (
  | { readonly verification: 'skip' }
  | {
      readonly verification: 'verify';
      readonly level: NotationLevel;
      readonly verifyTimestamp: VerifyTimestamp;
      readonly trustStores: readonly TrustStoreName[];
      readonly identities: readonly TrustedIdentity[];
    }
);

export interface TrustPolicyDocument {
  readonly statements: readonly TrustPolicyStatement[];
}

const MAX_DOCUMENT = 1024 * 1024;
const MAX_ITEMS = 1024;
const STORE_NAME = /^[a-zA-Z0-9_.-]{1,255}$/;
const STATEMENT_MEMBERS = [
  'name',
  'registryScopes',
  'signatureVerification',
  'trustStores',
  'trustedIdentities',
] as const;

/** Whether a named store may be called so: a folder's name, and no way out of its place. */
export function isTrustStoreName(name: string): boolean {
  return STORE_NAME.test(name) && name !== '.' && name !== '..';
}

/**
 * Reads the document. Members that the specification does not name are refused: what is misspelt would not be enforced.
 * @throws {SyntaxError} for every document that the specification calls invalid, with the path of what is wrong.
 */
export function parseTrustPolicy(bytes: Buffer): TrustPolicyDocument {
  if (bytes.length > MAX_DOCUMENT) {
    throw new SyntaxError('expected a trust policy of at most 1 MiB');
  }
  const document = objectAt('', parseJson(bytes), ['version', 'trustPolicies']);
  if (document['version'] !== '1.0') fail('version', 'expected "1.0"');
  const list = arrayAt('trustPolicies', document['trustPolicies']);
  if (list.length === 0) fail('trustPolicies', 'expected at least one statement');
  const statements = list.map((item, index) => readStatement(`trustPolicies[${index}]`, item));
  refuseTwice(statements);
  return { statements };
}

/**
 * The statement for a repository under its canonical name, `host[:port]/path`: one that names it exactly, else the one of
 * `*`, else none, which trusts nothing.
 */
export function selectStatement(
  { statements }: TrustPolicyDocument,
  repository: string,
): TrustPolicyStatement | undefined {
  return (
    statements.find(({ registryScopes }) => registryScopes.includes(repository)) ??
    statements.find(({ registryScopes }) => registryScopes.includes('*'))
  );
}

function readStatement(path: string, value: unknown): TrustPolicyStatement {
  const statement = objectAt(path, value, STATEMENT_MEMBERS);
  const name = textAt(`${path}.name`, statement['name']);
  if (name === '') fail(`${path}.name`, 'expected a name');
  const registryScopes = readScopes(`${path}.registryScopes`, statement['registryScopes']);
  const verificationPath = `${path}.signatureVerification`;
  const verification = objectAt(verificationPath, statement['signatureVerification'], [
    'level',
    'override',
    'verifyTimestamp',
  ]);
  const stores = textsAt(`${path}.trustStores`, statement['trustStores']);
  const identities = textsAt(`${path}.trustedIdentities`, statement['trustedIdentities']);
  const verifyTimestamp = readVerifyTimestamp(
    `${verificationPath}.verifyTimestamp`,
    verification['verifyTimestamp'],
  );
  if (verification['level'] !== 'skip') {
    const { level, override } = verification;
    return {
      name,
      registryScopes,
      verification: 'verify',
      level: at(verificationPath, () => parseLevel(level, override)),
      verifyTimestamp,
      trustStores: readStores(`${path}.trustStores`, stores),
      identities: at(`${path}.trustedIdentities`, () => parseTrustedIdentities(identities)),
    };
  }
  if (verification['override'] !== undefined) {
    fail(`${verificationPath}.override`, 'expected none: the level skip cannot be customized');
  }
  // "skip cannot be used with a global scope": notation-go lets it pass.
  if (registryScopes.includes('*')) {
    fail(`${path}.registryScopes`, 'expected repositories by name: the level skip is not for "*"');
  }
  if (stores.length > 0 || identities.length > 0) {
    fail(path, 'expected neither trustStores nor trustedIdentities with the level skip');
  }
  return { name, registryScopes, verification: 'skip' };
}

function readScopes(path: string, value: unknown): readonly string[] {
  const scopes = textsAt(path, value);
  if (scopes.length === 0) fail(path, 'expected at least one scope');
  if (scopes.length === 1 && scopes[0] === '*') return scopes;
  for (const [index, scope] of scopes.entries()) {
    const place = `${path}[${index}]`;
    if (scope.includes('*')) fail(place, 'expected "*" alone, or no "*" at all');
    const slash = scope.indexOf('/');
    if (slash === -1) fail(place, 'expected a repository: host[:port]/path');
    const canonical = at(place, () =>
      formatRepository(parseRepository(scope.slice(0, slash), scope.slice(slash + 1))),
    );
    // Another spelling would match no repository, and leave it to the statement of "*".
    if (canonical !== scope) fail(place, `expected the canonical name ${canonical}`);
  }
  return scopes;
}

function readVerifyTimestamp(path: string, value: unknown): VerifyTimestamp {
  if (value === undefined || value === 'always') return 'always';
  if (value === 'afterCertExpiry') return value;
  return fail(path, 'expected "always" or "afterCertExpiry"');
}

function readStores(path: string, stores: readonly string[]): readonly TrustStoreName[] {
  if (stores.length === 0) fail(path, 'expected at least one trust store');
  return stores.map((text, index) => {
    const [kindName = '', ...rest] = text.split(':');
    const kind = NOTATION_STORE_KINDS.find((known) => known === kindName);
    const name = rest.join(':');
    if (kind === undefined || !isTrustStoreName(name)) {
      return fail(`${path}[${index}]`, 'expected ca:NAME, signingAuthority:NAME or tsa:NAME');
    }
    return { kind, name };
  });
}

function refuseTwice(statements: readonly TrustPolicyStatement[]): void {
  const names = new Set<string>();
  const scopes = new Set<string>();
  for (const [index, { name, registryScopes }] of statements.entries()) {
    const path = `trustPolicies[${index}]`;
    if (names.has(name)) fail(`${path}.name`, `expected ${JSON.stringify(name)} once`);
    names.add(name);
    for (const scope of registryScopes) {
      if (scopes.has(scope)) fail(`${path}.registryScopes`, `expected ${scope} in one place only`);
      scopes.add(scope);
    }
  }
}

/** Runs a reader that knows no path. */
function at<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${path}: ${error.message}`, { cause: error });
  }
}

function objectAt(path: string, value: unknown, members: readonly string[]): JsonObject {
  if (!isJsonObject(value)) return fail(path, 'expected an object');
  const stranger = Object.keys(value).find((name) => !members.includes(name));
  if (stranger !== undefined) {
    fail(
      path,
      `unknown member ${JSON.stringify(stranger.slice(0, 80))}${suggestName(stranger, members)}`,
    );
  }
  return value;
}

function arrayAt(path: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return fail(path, 'expected an array');
  if (value.length > MAX_ITEMS) return fail(path, `expected at most ${MAX_ITEMS} items`);
  return value;
}

function textsAt(path: string, value: unknown): readonly string[] {
  return arrayAt(path, value).map((item, index) => textAt(`${path}[${index}]`, item));
}

function textAt(path: string, value: unknown): string {
  return typeof value === 'string' ? value : fail(path, 'expected text');
}

function fail(path: string, message: string): never {
  throw new SyntaxError(path === '' ? message : `${path}: ${message}`);
}
