/** Notation's JWS envelope: flattened JSON serialization (RFC 7515 §7.2.2, signature-envelope-jws.md). */
import { parseJson, refuseLookalikeMembers, type JsonObject } from '../../oci/json.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_CHAIN, MAX_SIGNATURE_TEXT, MAX_SIGNED_PAYLOAD, MAX_TIMESTAMP } from '../bounds.ts';
import { requireList, requireMembers, requireObject, requireText } from '../members.ts';
import { MAX_CERTIFICATE } from '../../trust/certificate.ts';
import {
  ATTRIBUTE,
  parseChain,
  requireAttributes,
  SIGNED_ATTRIBUTES,
  type Envelope,
} from './envelope.ts';
import { parseRfc3339 } from './rfc3339.ts';

const MEMBERS = ['payload', 'protected', 'header', 'signature'];
const MAX_NAME = 256;
const SIGNED_NAMES: ReadonlySet<string> = new Set(['alg', 'cty', 'crit', ...SIGNED_ATTRIBUTES]);
const UNSIGNED_NAMES: ReadonlySet<string> = new Set(['x5c', ATTRIBUTE.timestamp]);

/** Characters of base64 that hold so many bytes. */
const textOf = (bytes: number): number => Math.ceil(bytes / 3) * 4;

/** @throws {SyntaxError} for everything that is no such envelope with exactly one signature. */
export function parseJws(bytes: Buffer): Envelope {
  // "No additional top level fields are supported": `signatures` would be a second serialization.
  const envelope = requireMembers(parseJson(bytes), 'the envelope', MEMBERS);
  const [protectedText, protectedBytes] = base64url(envelope, 'protected', MAX_SIGNED_PAYLOAD);
  const [payloadText, payload] = base64url(envelope, 'payload', MAX_SIGNED_PAYLOAD);
  const [, signature] = base64url(envelope, 'signature', MAX_SIGNATURE_TEXT);
  const signed = requireObject(parseJson(protectedBytes), 'the protected header');
  const unsigned = requireObject(envelope['header'], 'the header');
  requireHeaders(signed, unsigned);
  return {
    kind: 'jws',
    signed: Buffer.from(`${protectedText}.${payloadText}`, 'latin1'),
    signature,
    payload,
    algorithm: requireText(signed['alg'], 'alg', MAX_NAME),
    attributes: requireAttributes({
      names: Object.keys(signed),
      critical: requireList(signed['crit'], 'crit', SIGNED_NAMES.size).map((name) =>
        requireText(name, 'a name in crit', MAX_NAME),
      ),
      contentType: requireText(signed['cty'], 'cty', MAX_NAME),
      scheme: requireText(signed[ATTRIBUTE.scheme], ATTRIBUTE.scheme, MAX_NAME),
      signingTime: timeOf(signed, ATTRIBUTE.signingTime),
      authenticSigningTime: timeOf(signed, ATTRIBUTE.authenticSigningTime),
      expiry: timeOf(signed, ATTRIBUTE.expiry),
    }),
    chain: parseChain(
      requireList(unsigned['x5c'], 'x5c', MAX_CHAIN).map((text) =>
        parseBase64(text, 'a certificate in x5c', textOf(MAX_CERTIFICATE)),
      ),
    ),
    timestamp:
      unsigned[ATTRIBUTE.timestamp] === undefined
        ? undefined
        : parseBase64(unsigned[ATTRIBUTE.timestamp], ATTRIBUTE.timestamp, textOf(MAX_TIMESTAMP)),
  };
}

/** What one reader takes for signed, no other may take for unsigned, nor for another name. */
function requireHeaders(signed: JsonObject, unsigned: JsonObject): void {
  refuseLookalikeMembers(signed, SIGNED_NAMES);
  refuseLookalikeMembers(unsigned, UNSIGNED_NAMES);
  // RFC 7797 §6: it changes what is signed, and stands in crit, which Notation does not know it in.
  if (Object.hasOwn(signed, 'b64')) throw new SyntaxError('unexpected attribute "b64"');
  for (const name of Object.keys(unsigned)) {
    // RFC 7515 §4: the names in the two headers are disjoint.
    if (Object.hasOwn(signed, name) || SIGNED_NAMES.has(name)) {
      throw new SyntaxError(
        `expected attribute ${JSON.stringify(name.slice(0, 120))} to be signed`,
      );
    }
  }
}

function timeOf(header: JsonObject, name: string): number | undefined {
  return header[name] === undefined ? undefined : parseRfc3339(header[name], name);
}

/** The text, as it is signed, and its bytes: base64url without padding (RFC 7515 §2), in its only spelling. */
function base64url(
  envelope: JsonObject,
  name: string,
  maxBytes: number,
): readonly [text: string, bytes: Buffer] {
  const text = requireText(envelope[name], name, textOf(maxBytes));
  const bytes = Buffer.from(text, 'base64url');
  if (text === '' || bytes.toString('base64url') !== text) {
    throw new SyntaxError(`expected ${name} to be base64url without padding`);
  }
  return [text, bytes];
}
