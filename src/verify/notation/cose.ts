/** Notation's COSE envelope: COSE_Sign1_Tagged (RFC 9052 §4.2, signature-envelope-cose.md). */
import { MAX_CHAIN, MAX_SIGNATURE_TEXT, MAX_SIGNED_PAYLOAD, MAX_TIMESTAMP } from '../bounds.ts';
import { MAX_CERTIFICATE } from '../../trust/certificate.ts';
import { readCbor, type Cbor } from './cbor.ts';
import {
  ATTRIBUTE,
  parseChain,
  requireAttributes,
  SIGNED_ATTRIBUTES,
  type Envelope,
} from './envelope.ts';

type Label = string | number;
type Header = ReadonlyMap<Label, Cbor>;

const SIGN1_TAG = 18n;
const EPOCH_TAG = 1n;

// RFC 9052 §3.1, RFC 9360 §2.
const LABEL = { alg: 1, crit: 2, contentType: 3, iv: 5, partialIv: 6, x5chain: 33 } as const;

// RFC 9053 §2.1, RFC 8230 §2.
const ALGORITHMS: ReadonlyMap<bigint, string> = new Map([
  [-7n, 'ES256'],
  [-35n, 'ES384'],
  [-36n, 'ES512'],
  [-37n, 'PS256'],
  [-38n, 'PS384'],
  [-39n, 'PS512'],
]);

/** What a header may not hold where nothing signs it. */
const SIGNED_LABELS: ReadonlySet<Label> = new Set([
  LABEL.alg,
  LABEL.crit,
  LABEL.contentType,
  ...SIGNED_ATTRIBUTES,
]);

/** @throws {SyntaxError} for everything that is no such envelope. */
export function parseCose(bytes: Buffer): Envelope {
  const message = readCbor(bytes);
  if (message.kind !== 'tag' || message.tag !== SIGN1_TAG || message.content.kind !== 'array') {
    throw new SyntaxError('expected COSE_Sign1 with its tag');
  }
  const [signedPart, unsignedPart, payloadPart, signaturePart, ...others] = message.content.items;
  if (signaturePart === undefined || others.length > 0) {
    throw new SyntaxError(`expected 4 parts of COSE_Sign1, got ${message.content.items.length}`);
  }
  const protectedBytes = bytesOf(signedPart, 'the protected header', MAX_SIGNED_PAYLOAD);
  // RFC 9052 §4.1: a detached payload is nil, and none is brought along here.
  const payload = bytesOf(payloadPart, 'the payload', MAX_SIGNED_PAYLOAD);
  const signature = bytesOf(signaturePart, 'the signature', MAX_SIGNATURE_TEXT);
  const signed = headerOf(readCbor(protectedBytes), 'the protected header');
  const unsigned = headerOf(unsignedPart, 'the unprotected header');
  requireHeaders(signed, unsigned);
  const timestamp = unsigned.get(ATTRIBUTE.timestamp);
  return {
    kind: 'cose',
    signed: toBeSigned(protectedBytes, payload),
    signature,
    payload,
    algorithm: algorithmOf(signed.get(LABEL.alg)),
    attributes: requireAttributes({
      names: signed.keys(),
      critical: criticalOf(signed.get(LABEL.crit)),
      contentType: textOf(signed.get(LABEL.contentType), 'the content type'),
      scheme: textOf(signed.get(ATTRIBUTE.scheme), ATTRIBUTE.scheme),
      signingTime: timeOf(signed, ATTRIBUTE.signingTime),
      authenticSigningTime: timeOf(signed, ATTRIBUTE.authenticSigningTime),
      expiry: timeOf(signed, ATTRIBUTE.expiry),
    }),
    // "Optionally, this header can be presented in the protected header."
    chain: chainOf(unsigned.get(LABEL.x5chain) ?? signed.get(LABEL.x5chain)),
    timestamp: timestamp && bytesOf(timestamp, ATTRIBUTE.timestamp, MAX_TIMESTAMP),
  };
}

/** Sig_structure (RFC 9052 §4.4) around the header as it was received, with nothing beside it. */
function toBeSigned(protectedBytes: Buffer, payload: Buffer): Buffer {
  const start = Buffer.concat([Buffer.from([0x84, 0x6a]), Buffer.from('Signature1')]);
  return Buffer.concat([
    start,
    byteString(protectedBytes),
    Buffer.from([0x40]),
    byteString(payload),
  ]);
}

/** A byte string of less than 2³² bytes in its only encoding. */
function byteString(bytes: Buffer): Buffer {
  const { length } = bytes;
  const head = Buffer.alloc(5);
  if (length < 24) return Buffer.concat([Buffer.from([0x40 | length]), bytes]);
  if (length < 0x100) return Buffer.concat([Buffer.from([0x58, length]), bytes]);
  if (length < 0x10000) {
    head.writeUInt8(0x59, 0);
    head.writeUInt16BE(length, 1);
    return Buffer.concat([head.subarray(0, 3), bytes]);
  }
  head.writeUInt8(0x5a, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

function headerOf(value: Cbor | undefined, what: string): Header {
  if (value?.kind !== 'map') throw new SyntaxError(`expected ${what} to be a map`);
  return new Map(value.entries.map(([key, member]) => [labelOf(key), member]));
}

function labelOf(key: Cbor): Label {
  if (key.kind === 'text') return key.value;
  const number = key.kind === 'integer' ? Number(key.value) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new SyntaxError('expected labels of headers to be text or small integers');
}

function requireHeaders(signed: Header, unsigned: Header): void {
  for (const label of unsigned.keys()) {
    // RFC 9052 §3: no label in both. §3.1: crit only where it is signed, as what it speaks of.
    if (signed.has(label) || SIGNED_LABELS.has(label)) {
      throw new SyntaxError(
        `expected attribute ${JSON.stringify(label).slice(0, 120)} to be signed`,
      );
    }
  }
  const has = (label: Label): boolean => signed.has(label) || unsigned.has(label);
  if (has(LABEL.iv) && has(LABEL.partialIv)) {
    throw new SyntaxError('expected an IV or a partial IV, got both');
  }
}

function algorithmOf(value: Cbor | undefined): string {
  const name = value?.kind === 'integer' ? ALGORITHMS.get(value.value) : undefined;
  if (name === undefined)
    throw new SyntaxError('expected alg to be PS256 to PS512 or ES256 to ES512');
  return name;
}

function criticalOf(value: Cbor | undefined): readonly Label[] {
  if (value?.kind !== 'array' || value.items.length > SIGNED_LABELS.size) {
    throw new SyntaxError(`expected crit to be a list of at most ${SIGNED_LABELS.size}`);
  }
  return value.items.map(labelOf);
}

function chainOf(value: Cbor | undefined): Envelope['chain'] {
  // RFC 9360's bare byte string for a chain of one is not what the specification of this envelope has.
  if (value?.kind !== 'array' || value.items.length > MAX_CHAIN) {
    throw new SyntaxError(`expected x5chain to be a list of 1 to ${MAX_CHAIN} certificates`);
  }
  return parseChain(
    value.items.map((item) => bytesOf(item, 'a certificate in x5chain', MAX_CERTIFICATE)),
  );
}

/** Epoch-based date and time (RFC 8949 §3.4.2): the tag is part of it, and it is the one for numbers. */
function timeOf(header: Header, name: string): number | undefined {
  const value = header.get(name);
  if (value === undefined) return undefined;
  const content = value.kind === 'tag' && value.tag === EPOCH_TAG ? value.content : undefined;
  if (content?.kind === 'integer' || content?.kind === 'float') {
    const milliseconds = Math.floor(Number(content.value) * 1000);
    // What Date can hold.
    if (Math.abs(milliseconds) <= 8.64e15) return milliseconds;
  }
  throw new SyntaxError(`expected ${name} to be an epoch time with tag 1`);
}

function textOf(value: Cbor | undefined, what: string): string {
  if (value?.kind === 'text') return value.value;
  throw new SyntaxError(`expected ${what} to be text`);
}

function bytesOf(value: Cbor | undefined, what: string, maxLength: number): Buffer {
  if (value?.kind === 'bytes' && value.value.length <= maxLength) return value.value;
  throw new SyntaxError(`expected ${what} to be a byte string of at most ${maxLength} bytes`);
}
