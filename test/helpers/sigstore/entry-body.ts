/** Bodies of transparency-log entries, of every kind that signers of images have used. */
import { dsse, json } from '@sigstore/core';
import { sha, type HashName } from './key.ts';
import type { Leaf } from './leaf.ts';
import type { TestKey } from './key.ts';
import type { EntryBody } from './transparency-log.ts';

/** Who signed: somebody with a certificate, or a key. */
export type Verifier = Leaf | TestKey;

export type EntryKind =
  | 'hashedrekord 0.0.1'
  | 'hashedrekord 0.0.2'
  | 'dsse 0.0.1'
  | 'dsse 0.0.2'
  | 'intoto 0.0.1'
  | 'intoto 0.0.2';

/** A signature, and what it is over. */
export interface Logged {
  readonly verifier: Verifier;
  readonly signature: Buffer;
  readonly hash: HashName;
  /** What the signature is over: the message, or the pre-authentication encoding of an envelope. */
  readonly signed: Buffer;
  readonly envelope?: Envelope;
}

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  /** Its JSON. */
  readonly bytes: Buffer;
}

export function keyOf(verifier: Verifier): TestKey {
  return 'key' in verifier ? verifier.key : verifier;
}

/** The pre-authentication encoding: what a DSSE signature is over. */
export function encodeEnvelope(payloadType: string, payload: Buffer): Buffer {
  return dsse.preAuthEncoding(payloadType, payload);
}

export const ALGORITHM_NAMES: Readonly<Record<HashName, string>> = {
  sha256: 'SHA2_256',
  sha384: 'SHA2_384',
  sha512: 'SHA2_512',
};

export function entryBody(entryKind: EntryKind, logged: Logged): EntryBody {
  const [kind = '', apiVersion = ''] = entryKind.split(' ');
  return { kind, apiVersion, spec: specOf[entryKind](logged) };
}

const specOf: Readonly<Record<EntryKind, (logged: Logged) => object>> = {
  'hashedrekord 0.0.1': ({ verifier, signature, hash, signed }) => ({
    data: { hash: { algorithm: hash, value: sha(hash, signed).toString('hex') } },
    signature: {
      content: signature.toString('base64'),
      publicKey: { content: pemOf(verifier) },
    },
  }),
  'hashedrekord 0.0.2': ({ verifier, signature, hash, signed }) => ({
    hashedRekordV002: {
      data: { algorithm: ALGORITHM_NAMES[hash], digest: sha(hash, signed).toString('base64') },
      signature: { content: signature.toString('base64'), verifier: verifierOf(verifier) },
    },
  }),
  'dsse 0.0.1': ({ verifier, signature, envelope }) => ({
    envelopeHash: hexHash(envelope?.bytes),
    payloadHash: hexHash(envelope?.payload),
    signatures: [{ signature: signature.toString('base64'), verifier: pemOf(verifier) }],
  }),
  'dsse 0.0.2': ({ verifier, signature, envelope }) => ({
    dsseV002: {
      payloadHash: {
        algorithm: 'SHA2_256',
        digest: sha('sha256', envelope?.payload ?? Buffer.alloc(0)).toString('base64'),
      },
      signatures: [{ content: signature.toString('base64'), verifier: verifierOf(verifier) }],
    },
  }),
  'intoto 0.0.1': ({ verifier, envelope }) => ({
    content: { hash: hexHash(envelope?.bytes), payloadHash: hexHash(envelope?.payload) },
    publicKey: pemOf(verifier),
  }),
  'intoto 0.0.2': ({ verifier, signature, envelope }) => {
    const sig = signature.toString('base64');
    const { payloadType = '', payload = Buffer.alloc(0) } = envelope ?? {};
    const hashed = {
      payloadType,
      payload: payload.toString('base64'),
      signatures: [{ sig, publicKey: pemText(verifier) }],
    };
    return {
      content: {
        // The signature inside is encoded twice, the payload is not kept.
        envelope: {
          payloadType,
          signatures: [{ sig: Buffer.from(sig).toString('base64'), publicKey: pemOf(verifier) }],
        },
        hash: hexHash(Buffer.from(json.canonicalize(hashed))),
        payloadHash: hexHash(payload),
      },
    };
  },
};

function hexHash(bytes: Buffer = Buffer.alloc(0)): object {
  return { algorithm: 'sha256', value: sha('sha256', bytes).toString('hex') };
}

function pemText(verifier: Verifier): string {
  return verifier.pem;
}

function pemOf(verifier: Verifier): string {
  return Buffer.from(pemText(verifier)).toString('base64');
}

function verifierOf(verifier: Verifier): object {
  const { keyDetails, spki } = keyOf(verifier);
  return 'key' in verifier
    ? { keyDetails, x509Certificate: { rawBytes: verifier.der.toString('base64') } }
    : { keyDetails, publicKey: { rawBytes: spki.toString('base64') } };
}
