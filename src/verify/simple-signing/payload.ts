/** The signed claims of a cosign `.sig` layer: cosign SIGNATURE_SPEC "Payloads", containers "simple signing". */
import { MAX_SIGNED_PAYLOAD } from '../bounds.ts';
import { parseDigest, type Digest } from '../../oci/digest.ts';
import {
  foldMemberName,
  isJsonObject,
  parseJson,
  refuseLookalikeMembers,
  type JsonObject,
} from '../../oci/json.ts';

export interface SimpleSigningPayload {
  readonly digest: Digest;
  /** What the signer called the image. It binds no repository by itself: cosign's verifier ignores it too. */
  readonly dockerReference: string | undefined;
}

const TYPE = 'cosign container image signature';
const TOP = new Set(['critical', 'optional']);
const CRITICAL = new Set(['identity', 'image', 'type']);
// The specification's example spells Docker-manifest-digest while every signer writes it in lower case, and Go's
// reader takes both. We take either, but never two of them.
const DIGEST_NAME = 'docker-manifest-digest';

/**
 * Reads the payload strictly: it is what a key's holder vouched for, so nothing in it may have two readings.
 * @throws {SyntaxError} CVE-2026-39395: a payload that cannot be read is never a success.
 */
export function parseSimpleSigningPayload(bytes: Uint8Array): SimpleSigningPayload {
  if (bytes.length > MAX_SIGNED_PAYLOAD) {
    throw new SyntaxError(`expected a payload of at most ${MAX_SIGNED_PAYLOAD} bytes`);
  }
  const payload = object(parseJson(bytes), 'payload');
  refuseLookalikeMembers(payload, TOP);
  const critical = object(payload['critical'], 'critical');
  refuseLookalikeMembers(critical, CRITICAL);
  if (critical['type'] !== TYPE) {
    throw new SyntaxError(`expected payload type "${TYPE}", got ${shown(critical['type'])}`);
  }
  const image = object(critical['image'], 'critical.image');
  const names = Object.keys(image).filter((name) => foldMemberName(name) === DIGEST_NAME);
  const [name] = names;
  if (name === undefined || names.length > 1) {
    throw new SyntaxError(`expected one ${DIGEST_NAME}, got ${names.length}`);
  }
  const identity = critical['identity'];
  const reference = isJsonObject(identity) ? identity['docker-reference'] : undefined;
  return {
    digest: parseDigest(image[name]),
    dockerReference: typeof reference === 'string' ? reference : undefined,
  };
}

function object(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new SyntaxError(`expected ${what} to be an object`);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value;
}
