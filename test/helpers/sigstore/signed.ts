/** Signatures with their log entries and timestamps, as plain values: spread one and change it to make it lie. */
import {
  encodeEnvelope,
  entryBody,
  keyOf,
  type EntryKind,
  type Envelope,
  type Verifier,
} from './entry-body.ts';
import type { HashName } from './key.ts';
import type { StampOptions, TimestampAuthority } from './timestamp-authority.ts';
import type { AddOptions, EntryBody, EntryJson, TransparencyLog } from './transparency-log.ts';

interface Signed {
  readonly verifier: Verifier;
  readonly signature: Buffer;
  /** What the signature and the bundle's digest are made with. */
  readonly hash: HashName;
  readonly entries: readonly EntryJson[];
  /** DER of RFC 3161 TimeStampResp. */
  readonly timestamps: readonly Buffer[];
}

/** A signature over bytes: a simple-signing payload, an artifact. */
export interface SignedMessage extends Signed {
  readonly kind: 'message';
  readonly data: Buffer;
}

/** A signature over a DSSE envelope. */
export interface SignedEnvelope extends Signed {
  readonly kind: 'dsse';
  readonly envelope: Envelope;
}

export interface SignOptions {
  /** A certificate or a key. */
  readonly by: Verifier;
  readonly hash?: HashName;
  /** Of log entries and timestamps, milliseconds since the epoch. */
  readonly time?: number;
  readonly logs: readonly TransparencyLog[];
  /** Whatever its log usually holds unless told. */
  readonly entryKind?: EntryKind;
  readonly timestampAuthorities: readonly TimestampAuthority[];
  /** What the timestamps are over: the signature, or (as in legacy `.att`) the envelope. */
  readonly timestampOver?: 'signature' | 'envelope';
  /** Changes what is logged, before it is logged. */
  readonly body?: (body: EntryBody) => EntryBody;
  readonly add?: AddOptions;
  readonly stamp?: StampOptions;
}

export const IN_TOTO = 'application/vnd.in-toto+json';

export function signMessage(data: Buffer, options: SignOptions): SignedMessage {
  return { kind: 'message', data, ...complete(data, options) };
}

export function signEnvelope(
  payload: Buffer,
  options: SignOptions & { readonly payloadType?: string },
): SignedEnvelope {
  const { payloadType = IN_TOTO } = options;
  const encoded = encodeEnvelope(payloadType, payload);
  return { kind: 'dsse', ...complete(encoded, options, { payloadType, payload }) };
}

type Completed<E> = Signed & { readonly envelope: E };

function complete(signed: Buffer, options: SignOptions): Signed;
function complete(
  signed: Buffer,
  options: SignOptions,
  content: Omit<Envelope, 'bytes'>,
): Completed<Envelope>;
function complete(
  signed: Buffer,
  options: SignOptions,
  content?: Omit<Envelope, 'bytes'>,
): Signed | Completed<Envelope> {
  const { by, time, body = unchanged } = options;
  const key = keyOf(by);
  const hash = options.hash ?? (key.kind === 'ed25519' ? 'sha256' : key.hash);
  const signature = key.sign(signed, hash);
  const bytes = content && envelopeJson(content, signature);
  const envelope = content && bytes && { envelope: { ...content, bytes } };
  const at = time === undefined ? {} : { time };
  const logged = { verifier: by, signature, hash, signed, ...envelope };
  const entries = options.logs.map((log) => {
    const kind = options.entryKind ?? usualKind(log, content !== undefined);
    return log.add(body(entryBody(kind, logged)), { ...at, ...options.add });
  });
  const over = options.timestampOver === 'envelope' && bytes ? bytes : signature;
  const timestamps = options.timestampAuthorities.map((authority) =>
    authority.stamp(over, { ...at, ...options.stamp }),
  );
  return { verifier: by, signature, hash, entries, timestamps, ...envelope };
}

function unchanged(body: EntryBody): EntryBody {
  return body;
}

function usualKind({ version }: TransparencyLog, isEnvelope: boolean): EntryKind {
  if (version === 2) return 'hashedrekord 0.0.2';
  return isEnvelope ? 'dsse 0.0.1' : 'hashedrekord 0.0.1';
}

/** As cosign writes it into an `.att` layer. */
function envelopeJson(content: Omit<Envelope, 'bytes'>, signature: Buffer): Buffer {
  return Buffer.from(
    JSON.stringify({
      payloadType: content.payloadType,
      payload: content.payload.toString('base64'),
      signatures: [{ keyid: '', sig: signature.toString('base64') }],
    }),
  );
}
