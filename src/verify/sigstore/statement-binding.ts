/**
 * The binding of an in-toto statement to the image: the check that `@sigstore/verify` leaves to its caller.
 * Without it, a signature about any other artifact would admit this one.
 */
import { digestAlgorithm, digestHex, type Digest } from '../../oci/digest.ts';
import { isJsonObject, parseJson, refuseLookalikeMembers } from '../../oci/json.ts';
import { MAX_SUBJECTS } from '../bounds.ts';

/** What cosign 3 writes for `cosign sign`; every other predicate is a statement about the image, not a signature. */
export const COSIGN_SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

const STATEMENT_TYPES = new Set([
  'https://in-toto.io/Statement/v1',
  'https://in-toto.io/Statement/v0.1',
]);
const MEMBERS = new Set(['_type', 'subject', 'predicateType', 'predicate']);
const SUBJECT_MEMBERS = new Set(['name', 'digest']);

/**
 * Requires that a statement is of `predicateType` and names `digest` as a subject.
 * in-toto Statement v1: subjects without our algorithm are skipped, a subject that is no object is an error.
 * @throws {SyntaxError} saying what does not hold. CVE-2022-35929: another predicate type is refused.
 */
export function requireStatementAbout(
  digest: Digest,
  predicateType: string,
  payload: Uint8Array,
): void {
  const statement = parseJson(payload);
  if (!isJsonObject(statement)) throw new SyntaxError('expected an in-toto statement');
  refuseLookalikeMembers(statement, MEMBERS);
  const type = statement['_type'];
  if (typeof type !== 'string' || !STATEMENT_TYPES.has(type)) {
    throw new SyntaxError('expected an in-toto statement of version 1 or 0.1');
  }
  if (statement['predicateType'] !== predicateType) {
    const got = statement['predicateType'];
    throw new SyntaxError(
      `expected predicate type ${predicateType}, got ${typeof got === 'string' ? JSON.stringify(got.slice(0, 120)) : 'none'}`,
    );
  }
  const subjects: unknown = statement['subject'];
  if (!Array.isArray(subjects) || subjects.length === 0 || subjects.length > MAX_SUBJECTS) {
    throw new SyntaxError(`expected 1 to ${MAX_SUBJECTS} subjects`);
  }
  // Every subject is read before the answer, so a malformed one is refused wherever it stands.
  const hex = digestHex(digest);
  const named = subjects.map((subject: unknown) => subjectHex(subject, digestAlgorithm(digest)));
  if (!named.includes(hex)) throw new SyntaxError('it is about another artifact, not this image');
}

function subjectHex(subject: unknown, algorithm: string): string | undefined {
  if (!isJsonObject(subject)) throw new SyntaxError('expected every subject to be an object');
  refuseLookalikeMembers(subject, SUBJECT_MEMBERS);
  const digests = subject['digest'];
  if (!isJsonObject(digests)) throw new SyntaxError('expected every subject to have a digest');
  if (!Object.hasOwn(digests, algorithm)) return undefined;
  const hex = digests[algorithm];
  if (typeof hex !== 'string') throw new SyntaxError('expected the digest of a subject to be text');
  return hex;
}
