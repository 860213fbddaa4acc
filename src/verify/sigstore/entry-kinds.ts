/** The kinds of log entries, each read into its claims: sigstore/rekor pkg/types, protobuf-specs rekor/v2. */
import { parseJson } from '../../oci/json.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_ENTRY_BODY, MAX_SIGNATURE_TEXT } from '../bounds.ts';
import {
  base64Digest,
  derOf,
  hexDigest,
  keyVerifier,
  membersOf,
  onlyOne,
  pemVerifier,
  signatureOf,
  type ClaimedVerifier,
  type EntryClaims,
} from './entry-claims.ts';
import type { LogEntry } from './material.ts';

/** Rekor v1 promises and proves, Rekor v2 only proves, and tells no time. */
export type LogVersion = 1 | 2;

interface Kind {
  readonly log: LogVersion;
  readonly read: (spec: unknown) => EntryClaims;
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['hashedrekord 0.0.1', { log: 1, read: readHashedRekord }],
  ['hashedrekord 0.0.2', { log: 2, read: readHashedRekordV2 }],
  ['dsse 0.0.1', { log: 1, read: readDsse }],
  ['dsse 0.0.2', { log: 2, read: readDsseV2 }],
  ['intoto 0.0.1', { log: 1, read: readIntoto1 }],
  ['intoto 0.0.2', { log: 1, read: readIntoto2 }],
  ['rekord 0.0.1', { log: 1, read: readRekord }],
]);

function kindOf({ kind, version }: LogEntry): Kind {
  const known = KINDS.get(`${kind} ${version}`);
  if (known !== undefined) return known;
  const got = JSON.stringify(`${kind} ${version}`.slice(0, 80));
  throw new SyntaxError(`expected an entry of a known kind, got ${got}`);
}

/**
 * Which log writes entries of this kind.
 * @throws {SyntaxError} for an unknown kind.
 */
export function logVersionOf(entry: LogEntry): LogVersion {
  return kindOf(entry).log;
}

/**
 * Reads the body of an entry.
 * @throws {SyntaxError} unless it is of the kind and version that the entry names, and nothing but that.
 */
export function readEntryBody(entry: LogEntry): EntryClaims {
  const { read } = kindOf(entry);
  if (entry.body.length > MAX_ENTRY_BODY) {
    throw new SyntaxError(`expected a body of at most ${MAX_ENTRY_BODY} bytes`);
  }
  const body = membersOf(parseJson(entry.body), 'the body', ['apiVersion', 'kind', 'spec']);
  if (body.kind !== entry.kind || body.apiVersion !== entry.version) {
    throw new SyntaxError(`the body is not of kind ${entry.kind} ${entry.version}`);
  }
  return read(body.spec);
}

/** The log hashed what was signed: a message, or the pre-authentication encoding of an envelope. */
function readHashedRekord(value: unknown): EntryClaims {
  const spec = membersOf(value, 'spec', ['data', 'signature']);
  const data = membersOf(spec.data, 'spec.data', ['hash']);
  const signature = membersOf(spec.signature, 'spec.signature', ['content', 'publicKey']);
  return {
    signature: signatureOf(signature.content),
    verifier: nestedVerifier(signature.publicKey),
    digests: [hexDigest('signed', data.hash, 'spec.data.hash')],
  };
}

/** What cosign wrote in 2021: as `hashedrekord`, with the name of the key's format. */
function readRekord(value: unknown): EntryClaims {
  const spec = membersOf(value, 'spec', ['data', 'signature']);
  const data = membersOf(spec.data, 'spec.data', ['hash']);
  const signature = membersOf(spec.signature, 'spec.signature', ['content', 'format', 'publicKey']);
  if (signature.format !== 'x509') throw new SyntaxError('expected a signature of format x509');
  return {
    signature: signatureOf(signature.content),
    verifier: nestedVerifier(signature.publicKey),
    digests: [hexDigest('signed', data.hash, 'spec.data.hash')],
  };
}

function nestedVerifier(value: unknown): ClaimedVerifier {
  return pemVerifier(membersOf(value, 'spec.signature.publicKey', ['content']).content);
}

function readDsse(value: unknown): EntryClaims {
  const spec = membersOf(value, 'spec', ['envelopeHash', 'payloadHash', 'signatures']);
  const one = membersOf(
    onlyOne(spec.signatures, 'spec.signatures'),
    'the element of spec.signatures',
    ['signature', 'verifier'],
  );
  return {
    signature: signatureOf(one.signature),
    verifier: pemVerifier(one.verifier),
    digests: [
      hexDigest('payload', spec.payloadHash, 'spec.payloadHash'),
      hexDigest('envelope', spec.envelopeHash, 'spec.envelopeHash'),
    ],
  };
}

/** No signature: the hash of the whole envelope stands for it. Early entries have no payload hash. */
function readIntoto1(value: unknown): EntryClaims {
  const spec = membersOf(value, 'spec', ['content', 'publicKey']);
  const content = membersOf(spec.content, 'spec.content', ['hash', 'payloadHash']);
  const digests = [hexDigest('envelope', content.hash, 'spec.content.hash')];
  if (content.payloadHash !== undefined) {
    digests.push(hexDigest('payload', content.payloadHash, 'spec.content.payloadHash'));
  }
  return { signature: undefined, verifier: pemVerifier(spec.publicKey), digests };
}

function readIntoto2(value: unknown): EntryClaims {
  const spec = membersOf(value, 'spec', ['content']);
  const content = membersOf(spec.content, 'spec.content', ['envelope', 'hash', 'payloadHash']);
  const envelope = membersOf(content.envelope, 'spec.content.envelope', [
    'payload',
    'payloadType',
    'signatures',
  ]);
  const one = membersOf(
    onlyOne(envelope.signatures, 'spec.content.envelope.signatures'),
    'the element of spec.content.envelope.signatures',
    ['keyid', 'publicKey', 'sig'],
  );
  if (typeof envelope.payloadType !== 'string') {
    throw new SyntaxError('expected a payload type in spec.content.envelope');
  }
  // Rekor holds the text of the envelope's base64, and encodes it once more.
  const text = parseBase64(one.sig, 'the signature in the body', MAX_SIGNATURE_TEXT * 2);
  return {
    signature: signatureOf(text.toString('latin1')),
    verifier: pemVerifier(one.publicKey),
    // The other hash is the uploader's word for the whole envelope: Rekor takes it as it comes, and clients differ in
    // what they hash. Signature, payload type and payload say all that an envelope does.
    digests: [hexDigest('payload', content.payloadHash, 'spec.content.payloadHash')],
    payloadType: envelope.payloadType,
  };
}

function readHashedRekordV2(value: unknown): EntryClaims {
  const { hashedRekordV002 } = membersOf(value, 'spec', ['hashedRekordV002']);
  const spec = membersOf(hashedRekordV002, 'spec.hashedRekordV002', ['data', 'signature']);
  return {
    ...readSignatureV2(spec.signature, 'spec.hashedRekordV002.signature'),
    digests: [base64Digest('signed', spec.data, 'spec.hashedRekordV002.data')],
  };
}

function readDsseV2(value: unknown): EntryClaims {
  const { dsseV002 } = membersOf(value, 'spec', ['dsseV002']);
  const spec = membersOf(dsseV002, 'spec.dsseV002', ['payloadHash', 'signatures']);
  const one = onlyOne(spec.signatures, 'spec.dsseV002.signatures');
  return {
    ...readSignatureV2(one, 'the element of spec.dsseV002.signatures'),
    digests: [base64Digest('payload', spec.payloadHash, 'spec.dsseV002.payloadHash')],
  };
}

function readSignatureV2(
  value: unknown,
  what: string,
): Pick<EntryClaims, 'signature' | 'verifier'> {
  const { content, verifier } = membersOf(value, what, ['content', 'verifier']);
  const by = membersOf(verifier, `${what}.verifier`, [
    'keyDetails',
    'publicKey',
    'x509Certificate',
  ]);
  // A oneof of protobuf: of two members, each reader takes the one it likes.
  if ((by.publicKey === undefined) === (by.x509Certificate === undefined)) {
    throw new SyntaxError(`expected either a public key or a certificate in ${what}.verifier`);
  }
  const raw = membersOf(by.publicKey ?? by.x509Certificate, `${what}.verifier`, ['rawBytes']);
  const der = derOf(raw.rawBytes);
  return {
    signature: signatureOf(content),
    verifier: by.publicKey === undefined ? { kind: 'certificate', der } : keyVerifier(der),
  };
}
