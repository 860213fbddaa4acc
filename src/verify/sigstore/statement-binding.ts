/**
 * The binding of an in-toto statement to the image: the check that `@sigstore/verify` leaves to its caller.
 * Without it, a signature about any other artifact would admit this one.
 */
import { digestAlgorithm, digestHex, type Digest } from '../../oci/digest.ts';
import { isJsonObject, parseJson, refuseLookalikeMembers } from '../../oci/json.ts';
import { describeSigner, type Statement } from '../../policy/evidence.ts';
import { MAX_ATTESTATION_CONTAINERS, MAX_SIGNED_PAYLOAD, MAX_SUBJECTS } from '../bounds.ts';
import { UntrustedError, type CheckContext } from '../candidate.ts';
import type { Proven } from './verify-material.ts';

/** What cosign 3 writes for `cosign sign`; every other predicate is a statement about the image, not a signature. */
export const COSIGN_SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
/** The one payload type whose payload names subjects. */
export const IN_TOTO = 'application/vnd.in-toto+json';

const STATEMENT_TYPES = new Set([
  'https://in-toto.io/Statement/v1',
  'https://in-toto.io/Statement/v0.1',
]);
const MEMBERS = new Set(['_type', 'subject', 'predicateType', 'predicate']);
const SUBJECT_MEMBERS = new Set(['name', 'digest']);
/** Characters of a predicate type. */
const MAX_PREDICATE_TYPE = 1024;

/**
 * Anybody can get a certificate and sign a large statement with it: reading it is work for those whom a rule means.
 * @throws {UntrustedError} saying who signed.
 */
export function requireMeant(
  payload: Uint8Array,
  proven: readonly Proven[],
  context: Pick<CheckContext, 'means'>,
): void {
  const { means } = context;
  if (means === undefined || payload.length <= MAX_SIGNED_PAYLOAD) return;
  if (proven.some(({ signer }) => means(signer))) return;
  const who = proven.map(({ signer }) => describeSigner(signer)).join(', ');
  throw new UntrustedError(`signed by ${who}, whom the rule does not mean`);
}

/** A statement about the digest that it was asked for. */
export interface BoundStatement extends Statement {
  /** Names of the subjects that have the digest. */
  readonly names: readonly string[];
}

/** Hex by algorithm: under which names one content goes. */
export type ContentDigests = ReadonlyMap<string, string>;

export function contentDigests(digest: Digest): ContentDigests {
  return new Map([[digestAlgorithm(digest), digestHex(digest)]]);
}

/** @throws {SyntaxError} unless the payload says itself that it is an in-toto statement (DSSE: the type is signed along). */
export function requireInToto(payloadType: string): void {
  if (payloadType !== IN_TOTO) throw new SyntaxError(`expected payload type ${IN_TOTO}`);
}

/**
 * Reads a statement that names one of the digests as a subject. Call it when the signature holds: it may be large.
 * in-toto Statement v1: subjects without our algorithm are skipped, a subject that is no object is an error.
 * @throws {SyntaxError} saying what does not hold.
 */
export function parseStatementAbout(digests: ContentDigests, payload: Uint8Array): BoundStatement {
  const statement = parseJson(payload, { maxContainers: MAX_ATTESTATION_CONTAINERS });
  if (!isJsonObject(statement)) throw new SyntaxError('expected an in-toto statement');
  refuseLookalikeMembers(statement, MEMBERS);
  const type = statement['_type'];
  if (typeof type !== 'string' || !STATEMENT_TYPES.has(type)) {
    throw new SyntaxError('expected an in-toto statement of version 1 or 0.1');
  }
  const { predicateType } = statement;
  if (
    typeof predicateType !== 'string' ||
    predicateType === '' ||
    predicateType.length > MAX_PREDICATE_TYPE
  ) {
    throw new SyntaxError('expected a predicate type');
  }
  if (predicateType === COSIGN_SIGN_PREDICATE && payload.length > MAX_SIGNED_PAYLOAD) {
    throw new SyntaxError(
      `expected a signature's statement of at most ${MAX_SIGNED_PAYLOAD} bytes`,
    );
  }
  const subjects: unknown = statement['subject'];
  if (!Array.isArray(subjects) || subjects.length === 0 || subjects.length > MAX_SUBJECTS) {
    throw new SyntaxError(`expected 1 to ${MAX_SUBJECTS} subjects`);
  }
  // Every subject is read before the answer, so a malformed one is refused wherever it stands.
  const matching = subjects
    .map((subject: unknown) => parseSubject(subject, digests))
    .filter(({ matches }) => matches);
  if (matching.length === 0) throw new SyntaxError('it is about another artifact, not this image');
  return {
    predicateType,
    json: statement,
    names: matching.flatMap(({ name }) => (name === undefined ? [] : [name])),
  };
}

interface Subject {
  readonly name: string | undefined;
  readonly matches: boolean;
}

function parseSubject(subject: unknown, expected: ContentDigests): Subject {
  if (!isJsonObject(subject)) throw new SyntaxError('expected every subject to be an object');
  refuseLookalikeMembers(subject, SUBJECT_MEMBERS);
  const { name, digest } = subject;
  if (!isJsonObject(digest)) throw new SyntaxError('expected every subject to have a digest');
  const same = [...expected].map(([algorithm, hex]) => {
    if (!Object.hasOwn(digest, algorithm)) return false;
    const named = digest[algorithm];
    if (typeof named === 'string') return named === hex;
    throw new SyntaxError('expected the digest of a subject to be text');
  });
  return {
    name: typeof name === 'string' && name !== '' ? name : undefined,
    matches: same.includes(true),
  };
}
