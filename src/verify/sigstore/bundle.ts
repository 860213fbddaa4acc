/** Sigstore bundles v0.3 that are verified by a key: sigstore/protobuf-specs sigstore_bundle.proto, cosign BUNDLE_SPEC. */
import { isJsonObject, parseJson, type JsonObject } from '../../oci/json.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_SIGNATURE_TEXT, MAX_SIGNED_PAYLOAD } from '../bounds.ts';

export interface DsseEnvelope {
  readonly kind: 'dsse';
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** A signature over the artifact itself; here the artifact is the manifest's bytes. */
export interface MessageSignature {
  readonly kind: 'message';
  readonly digest: { readonly algorithm: 'sha256' | 'sha384' | 'sha512'; readonly bytes: Buffer };
  readonly signature: Buffer;
}

export type KeyBundleContent = DsseEnvelope | MessageSignature;

/** Characters of base64. */
const MAX_PAYLOAD_TEXT = Math.ceil(MAX_SIGNED_PAYLOAD / 3) * 4;

const MEDIA_TYPES = new Set([
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
]);

const HASHES: ReadonlyMap<unknown, 'sha256' | 'sha384' | 'sha512'> = new Map([
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
]);

/**
 * Reads a bundle whose verification material is a key. Transparency-log entries and timestamps are left unread: a key
 * does not ask for them. The key hint is not believed either, every trusted key is tried.
 * @throws {SyntaxError} for everything else. Members are an allow-list, because protobuf JSON has a second spelling for
 * each name (`x509_certificate_chain`) and a oneof that names two members means different things to different readers.
 */
export function parseKeyBundle(bytes: Uint8Array): KeyBundleContent {
  const bundle = object(parseJson(bytes), 'the bundle');
  allow(bundle, ['mediaType', 'verificationMaterial', 'dsseEnvelope', 'messageSignature']);
  const mediaType = bundle['mediaType'];
  if (typeof mediaType !== 'string' || !MEDIA_TYPES.has(mediaType)) {
    throw new SyntaxError('expected a bundle of version 0.3');
  }
  requireKeyMaterial(object(bundle['verificationMaterial'], 'verificationMaterial'));
  const { dsseEnvelope, messageSignature } = bundle;
  if ((dsseEnvelope === undefined) === (messageSignature === undefined)) {
    throw new SyntaxError('expected either dsseEnvelope or messageSignature');
  }
  return dsseEnvelope === undefined
    ? parseMessageSignature(object(messageSignature, 'messageSignature'))
    : parseEnvelope(object(dsseEnvelope, 'dsseEnvelope'));
}

/** sigstore-go "expected key signature, not certificate": a certificate never stands in for a configured key. */
function requireKeyMaterial(material: JsonObject): void {
  for (const name of Object.keys(material)) {
    if (name.toLowerCase().includes('certificate')) {
      throw new SyntaxError('it carries a certificate, and a certificate never satisfies a key');
    }
  }
  allow(material, ['publicKey', 'tlogEntries', 'timestampVerificationData']);
  object(material['publicKey'], 'verificationMaterial.publicKey');
}

function parseEnvelope(envelope: JsonObject): DsseEnvelope {
  allow(envelope, ['payload', 'payloadType', 'signatures']);
  const { payloadType, signatures } = envelope;
  if (typeof payloadType !== 'string') throw new SyntaxError('expected a payloadType');
  if (!Array.isArray(signatures) || signatures.length !== 1) {
    throw new SyntaxError('expected exactly one signature in the envelope');
  }
  const signature = object(signatures[0], 'the signature');
  allow(signature, ['sig', 'keyid']);
  return {
    kind: 'dsse',
    payloadType,
    payload: parseBase64(envelope['payload'], 'the payload', MAX_PAYLOAD_TEXT),
    signature: parseBase64(signature['sig'], 'the signature', MAX_SIGNATURE_TEXT),
  };
}

function parseMessageSignature(message: JsonObject): MessageSignature {
  allow(message, ['messageDigest', 'signature']);
  const digest = object(message['messageDigest'], 'messageDigest');
  allow(digest, ['algorithm', 'digest']);
  const algorithm = HASHES.get(digest['algorithm']);
  if (algorithm === undefined) throw new SyntaxError('expected a SHA-2 message digest');
  return {
    kind: 'message',
    digest: { algorithm, bytes: parseBase64(digest['digest'], 'the message digest', 128) },
    signature: parseBase64(message['signature'], 'the signature', MAX_SIGNATURE_TEXT),
  };
}

function allow(value: JsonObject, names: readonly string[]): void {
  const stranger = Object.keys(value).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw new SyntaxError(`unexpected member ${JSON.stringify(stranger.slice(0, 80))}`);
  }
}

function object(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new SyntaxError(`expected ${what} to be an object`);
}
