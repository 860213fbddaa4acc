/**
 * Notation envelopes, JWS and COSE, with any defect: every part can be replaced before it is signed or after.
 *
 *     const signer = issueSigner({ issuer: ca });
 *     signJws(signer, target);                                                 // as notation would
 *     signJws(signer, target, { signed: { crit: [] } });                       // and as it would not
 *     signCose(signer, target, { signedEntries: (all) => [...all, all[0]] });
 */
import type { Target } from '../../../src/verify/notation/target.ts';
import { NOTATION_TIME, chainOf, type Signer } from './certificate.ts';
import * as cbor from './cbor.ts';
import type { SigningKey } from './key.ts';

export const PAYLOAD_TYPE = 'application/vnd.cncf.notary.payload.v1+json';

/** What both envelopes carry. */
export interface SignOptions {
  readonly scheme?: string;
  /** signingTime or authenticSigningTime, as the scheme has it. Milliseconds since the epoch. */
  readonly signingTime?: number;
  /** Milliseconds since the epoch. */
  readonly expiry?: number;
  /** User metadata. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** In the place of the payload that names the target. */
  readonly payload?: Buffer;
  /** DER of the certificates; the signer's own chain unless told. */
  readonly chain?: readonly Buffer[];
  /** What is declared; what goes with the key unless told. */
  readonly algorithm?: string;
  readonly signWith?: SigningKey;
  readonly critical?: readonly (string | number)[];
  readonly contentType?: string;
  /** Gives the token for the signature's bytes. */
  readonly timestamp?: (signature: Buffer) => Buffer;
}

export interface JwsOptions extends SignOptions {
  /** Laid over the protected header; undefined takes away. */
  readonly signed?: Readonly<Record<string, unknown>>;
  /** In the place of the protected header's JSON. */
  readonly signedText?: string;
  /** Laid over the unprotected header; undefined takes away. */
  readonly unsigned?: Readonly<Record<string, unknown>>;
  /** Laid over the envelope; undefined takes away. */
  readonly envelope?: Readonly<Record<string, unknown>>;
}

export interface CoseOptions extends SignOptions {
  /** Changes the protected header's entries. */
  readonly signedEntries?: (entries: readonly cbor.Entry[]) => readonly cbor.Entry[];
  /** In the place of the protected header's bytes. */
  readonly signedBytes?: Buffer;
  /** Changes the unprotected header's entries. */
  readonly unsignedEntries?: (entries: readonly cbor.Entry[]) => readonly cbor.Entry[];
  /** Puts the four parts together; COSE_Sign1_Tagged unless told. */
  readonly wrap?: (parts: readonly Buffer[]) => Buffer;
  /** How a time is written; with tag 1 as an integer unless told. */
  readonly time?: (milliseconds: number) => Buffer;
}

const NAME = 'io.cncf.notary';

export function payloadOf(target: Target, annotations?: Readonly<Record<string, string>>): Buffer {
  const { mediaType, digest, size } = target;
  const targetArtifact = { mediaType, digest, size, ...(annotations && { annotations }) };
  return Buffer.from(JSON.stringify({ targetArtifact }));
}

/** What is the same whatever the envelope. */
function attributesOf(signer: Signer, target: Target, options: SignOptions) {
  const { scheme = 'notary.x509', signingTime = NOTATION_TIME, expiry } = options;
  const isAuthority = scheme === 'notary.x509.signingAuthority';
  const times: readonly (readonly [name: string, time: number])[] = [
    [`${NAME}.${isAuthority ? 'authenticSigningTime' : 'signingTime'}`, signingTime],
    ...(expiry === undefined ? [] : ([[`${NAME}.expiry`, expiry]] as const)),
  ];
  const critical = options.critical ?? [
    `${NAME}.signingScheme`,
    ...(isAuthority ? [`${NAME}.authenticSigningTime`] : []),
    ...(expiry === undefined ? [] : [`${NAME}.expiry`]),
  ];
  return {
    scheme,
    times,
    critical,
    key: options.signWith ?? signer.key,
    algorithm: options.algorithm ?? signer.key.algorithm,
    contentType: options.contentType ?? PAYLOAD_TYPE,
    payload: options.payload ?? payloadOf(target, options.annotations),
    chain: options.chain ?? chainOf(signer).map(({ der }) => der),
  };
}

export function signJws(signer: Signer, target: Target, options: JwsOptions = {}): Buffer {
  const parts = attributesOf(signer, target, options);
  const time = (milliseconds: number): string =>
    new Date(milliseconds).toISOString().replace('.000Z', 'Z');
  const signed = {
    alg: parts.algorithm,
    cty: parts.contentType,
    crit: parts.critical,
    [`${NAME}.signingScheme`]: parts.scheme,
    ...Object.fromEntries(parts.times.map(([name, value]) => [name, time(value)])),
    ...options.signed,
  };
  const protectedText = base64url(options.signedText ?? JSON.stringify(signed));
  const payloadText = base64url(parts.payload);
  const signature = parts.key.signEnvelope(Buffer.from(`${protectedText}.${payloadText}`));
  const stamp = options.timestamp?.(signature);
  const header = {
    x5c: parts.chain.map((der) => der.toString('base64')),
    [`${NAME}.signingAgent`]: 'test/1.0',
    ...(stamp && { [`${NAME}.timestampSignature`]: stamp.toString('base64') }),
    ...options.unsigned,
  };
  return Buffer.from(
    JSON.stringify({
      payload: payloadText,
      protected: protectedText,
      header,
      signature: base64url(signature),
      ...options.envelope,
    }),
  );
}

export function base64url(content: Buffer | string): string {
  return Buffer.from(content).toString('base64url');
}

const COSE_ALGORITHMS: Readonly<Record<string, number>> = {
  ES256: -7,
  ES384: -35,
  ES512: -36,
  PS256: -37,
  PS384: -38,
  PS512: -39,
  EdDSA: -8,
};

/** An epoch time with its tag. */
export function epochTime(milliseconds: number): Buffer {
  return cbor.tag(1, cbor.integer(Math.floor(milliseconds / 1000)));
}

/** COSE_Sign1_Tagged. */
function wholeMessage(parts: readonly Buffer[]): Buffer {
  return cbor.tag(18, cbor.array(...parts));
}

export function signCose(signer: Signer, target: Target, options: CoseOptions = {}): Buffer {
  const parts = attributesOf(signer, target, options);
  const { time = epochTime, wrap = wholeMessage } = options;
  const change = options.signedEntries ?? ((entries) => entries);
  const changeUnsigned = options.unsignedEntries ?? ((entries) => entries);
  const signed: readonly cbor.Entry[] = [
    [cbor.integer(1), cbor.integer(COSE_ALGORITHMS[parts.algorithm] ?? 0)],
    [cbor.integer(2), cbor.array(...parts.critical.map(cbor.label))],
    [cbor.integer(3), cbor.text(parts.contentType)],
    [cbor.text(`${NAME}.signingScheme`), cbor.text(parts.scheme)],
    ...parts.times.map(([name, value]) => [cbor.text(name), time(value)] as const),
  ];
  const protectedBytes = options.signedBytes ?? cbor.map(change(signed));
  // Sig_structure, RFC 9052 §4.4.
  const toBeSigned = cbor.array(
    cbor.text('Signature1'),
    cbor.bytes(protectedBytes),
    cbor.bytes(Buffer.alloc(0)),
    cbor.bytes(parts.payload),
  );
  const signature = parts.key.signEnvelope(toBeSigned);
  const stamp = options.timestamp?.(signature);
  const unsigned: readonly cbor.Entry[] = [
    [cbor.integer(33), cbor.array(...parts.chain.map(cbor.bytes))],
    [cbor.text(`${NAME}.signingAgent`), cbor.text('test/1.0')],
    ...(stamp ? [[cbor.text(`${NAME}.timestampSignature`), cbor.bytes(stamp)] as const] : []),
  ];
  return wrap([
    cbor.bytes(protectedBytes),
    cbor.map(changeUnsigned(unsigned)),
    cbor.bytes(parts.payload),
    cbor.bytes(signature),
  ]);
}
