/** Sigstore bundles v0.1 to v0.3, read strictly: sigstore/protobuf-specs sigstore_bundle.proto, cosign BUNDLE_SPEC. */
import { isJsonObject, parseJson, type JsonObject } from '../../oci/json.ts';
import { MAX_CERTIFICATE, parseCertificate } from '../../trust/certificate.ts';
import { parseBase64 } from '../base64.ts';
import {
  MAX_ATTESTATION_CONTENT,
  MAX_CHAIN,
  MAX_LOG_ENTRIES,
  MAX_SIGNATURE_TEXT,
  MAX_TIMESTAMP,
  MAX_TIMESTAMPS,
} from '../bounds.ts';
import { isPresent, requireList, requireMembers } from '../members.ts';
import { parseEnvelope } from './envelope.ts';
import { base64Length, parseLogEntry } from './log-entry-json.ts';
import type { HashName, SignedContent, SignedMaterial } from './material.ts';

type Version = '0.1' | '0.2' | '0.3';

const VERSIONS: ReadonlyMap<unknown, Version> = new Map([
  ['application/vnd.dev.sigstore.bundle+json;version=0.1', '0.1'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', '0.2'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.3', '0.3'],
  ['application/vnd.dev.sigstore.bundle.v0.3+json', '0.3'],
]);

const HASHES: ReadonlyMap<unknown, HashName> = new Map([
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
]);

/**
 * Reads a bundle. The hint of a key is not believed: every trusted key is tried.
 * @throws {SyntaxError} for everything else. Members are an allow-list, see `allowMembers`, and a oneof that names two
 * members means different things to different readers.
 */
export function parseBundle(bytes: Uint8Array): SignedMaterial {
  if (bytes.length > MAX_ATTESTATION_CONTENT) {
    throw new SyntaxError(`expected a bundle of at most ${MAX_ATTESTATION_CONTENT} bytes`);
  }
  const bundle = requireMembers(parseJson(bytes), 'the bundle', [
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
    'messageSignature',
  ]);
  const version = VERSIONS.get(bundle['mediaType']);
  if (version === undefined) throw new SyntaxError('expected a bundle of version 0.1, 0.2 or 0.3');
  const material = requireMembers(bundle['verificationMaterial'], 'verificationMaterial', [
    'publicKey',
    'certificate',
    'x509CertificateChain',
    'tlogEntries',
    'timestampVerificationData',
  ]);
  const { signature, content } = parseContent(bundle);
  const demand = version === '0.1' ? 'promise' : 'proof';
  return {
    form: `bundle v${version}`,
    verifier: parseVerifier(material, version),
    signature,
    content,
    entries: requireList(material['tlogEntries'], 'tlogEntries', MAX_LOG_ENTRIES).map((entry) =>
      parseLogEntry(entry, demand),
    ),
    timestamps: parseTimestamps(material['timestampVerificationData']),
    timestamped: signature,
  };
}

/** The one of `names` that is present. @throws {SyntaxError} when none or more than one is. */
function only(object: JsonObject, names: readonly string[]): string {
  const [name, ...more] = names.filter((one) => isPresent(object[one]));
  if (name === undefined || more.length > 0) {
    throw new SyntaxError(`expected one of ${names.join(', ')}`);
  }
  return name;
}

function parseContent(bundle: JsonObject): Pick<SignedMaterial, 'signature' | 'content'> {
  const name = only(bundle, ['dsseEnvelope', 'messageSignature']);
  if (name === 'dsseEnvelope') {
    const { signature, ...envelope } = parseEnvelope(requireMembersOf(bundle, name));
    return { signature, content: { kind: 'dsse', ...envelope } };
  }
  const message = requireMembers(bundle[name], name, ['messageDigest', 'signature']);
  const digest = parseMessageDigest(message['messageDigest']);
  return {
    signature: parseBase64(message['signature'], 'the signature', MAX_SIGNATURE_TEXT),
    content: { kind: 'message', ...(digest === undefined ? {} : { digest }) },
  };
}

function requireMembersOf(bundle: JsonObject, name: string): JsonObject {
  const value = bundle[name];
  if (isJsonObject(value)) return value;
  throw new SyntaxError(`expected ${name} to be an object`);
}

/** sigstore_common.proto: a hint, which may be left out; where it stands, it must be right. */
function parseMessageDigest(value: unknown): Extract<SignedContent, { kind: 'message' }>['digest'] {
  if (!isPresent(value)) return undefined;
  const digest = requireMembers(value, 'messageDigest', ['algorithm', 'digest']);
  const algorithm = HASHES.get(digest['algorithm']);
  if (algorithm === undefined) throw new SyntaxError('expected a SHA-2 message digest');
  return { algorithm, bytes: parseBase64(digest['digest'], 'the message digest', 128) };
}

function parseVerifier(material: JsonObject, version: Version): SignedMaterial['verifier'] {
  const name = only(
    material,
    version === '0.3'
      ? ['publicKey', 'certificate', 'x509CertificateChain']
      : ['publicKey', 'x509CertificateChain'],
  );
  if (name === 'publicKey') {
    requireMembers(material[name], name, ['hint']);
    return { kind: 'key' };
  }
  if (name === 'certificate') {
    return { kind: 'certificate', leaf: parseRawCertificate(material[name]), chain: [] };
  }
  const { certificates } = requireMembers(material[name], name, ['certificates']);
  const [leaf, ...chain] = requireList(certificates, 'certificates', MAX_CHAIN).map(
    parseRawCertificate,
  );
  if (leaf === undefined) throw new SyntaxError('expected a certificate in the chain');
  refuseRoots(chain);
  return { kind: 'certificate', leaf, chain };
}

function parseRawCertificate(value: unknown): Buffer {
  const { rawBytes } = requireMembers(value, 'a certificate', ['rawBytes']);
  return parseBase64(rawBytes, 'a certificate', base64Length(MAX_CERTIFICATE));
}

/** sigstore_common.proto X509CertificateChain: the root comes from the trusted root, never with the signature. */
function refuseRoots(chain: readonly Buffer[]): void {
  const isRoot = (der: Buffer): boolean => {
    const { rawSubject, rawIssuer } = parseCertificate(der);
    return rawSubject.equals(rawIssuer);
  };
  if (chain.some(isRoot)) throw new SyntaxError('expected no root certificate in the chain');
}

function parseTimestamps(value: unknown): readonly Buffer[] {
  if (!isPresent(value)) return [];
  const data = requireMembers(value, 'timestampVerificationData', ['rfc3161Timestamps']);
  return requireList(data['rfc3161Timestamps'], 'rfc3161Timestamps', MAX_TIMESTAMPS).map((item) => {
    const { signedTimestamp } = requireMembers(item, 'a timestamp', ['signedTimestamp']);
    return parseBase64(signedTimestamp, 'a timestamp', base64Length(MAX_TIMESTAMP));
  });
}
