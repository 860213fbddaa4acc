/** The promises of certificate-transparency logs inside a certificate: RFC 6962 §3. */
import { createHash } from 'node:crypto';
import type { Certificate } from '../../trust/certificate.ts';
import {
  context,
  inner,
  membersOf,
  readDer,
  requireTag,
  TAG,
  writeDer,
  type Der,
} from '../../trust/der.ts';
import { parseOid } from '../../trust/der-values.ts';
import { verifyExactly, type SignatureAlgorithm } from '../../trust/signature-algorithm.ts';
import type { LogKey } from '../../trust/trust-root.ts';

const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const MAX_SCTS = 32;
const V1 = 0;

/** SignatureAndHashAlgorithm (RFC 5246 §7.4.1.4.1): hash in the high byte. RFC 6962 §2.1.4 asks for SHA-256. */
const ALGORITHMS: ReadonlyMap<number, SignatureAlgorithm> = new Map([
  [0x0403, { kind: 'ecdsa', hash: 'sha256' }],
  [0x0503, { kind: 'ecdsa', hash: 'sha384' }],
  [0x0603, { kind: 'ecdsa', hash: 'sha512' }],
  [0x0401, { kind: 'rsa', hash: 'sha256' }],
]);

interface LogPromise {
  /** Hex. */
  readonly logId: string;
  /** Milliseconds since the epoch. */
  readonly time: bigint;
  readonly extensions: Buffer;
  readonly algorithm: number;
  readonly signature: Buffer;
}

/**
 * Checks every promise of a known log; those of strangers count for nothing.
 * @returns the ids of the logs that promised to log the certificate, each once.
 * @throws {SyntaxError} for a malformed list, and for a promise of a known log that does not hold.
 */
export function verifyCertificateTransparency(
  leaf: Certificate,
  issuer: Certificate,
  logs: readonly LogKey[],
): readonly string[] {
  const extension = leaf.extensions.get(SCT_LIST);
  if (extension === undefined) return [];
  const list = readDer(extension.value, 'the list of SCTs');
  const promises = readList(requireTag(list, TAG.octetString, 'a list of SCTs').content);
  let entry: Buffer | undefined;
  const ids = promises.flatMap((promise) => {
    const keys = logs.filter(({ id }) => id === promise.logId);
    if (keys.length === 0) return [];
    entry ??= precertificateEntry(leaf, issuer);
    const signed = signedData(promise, entry);
    const holds = keys.some((log) => isInTime(promise, log) && isSigned(promise, signed, log));
    if (holds) return [promise.logId];
    throw new SyntaxError(
      `the promise of the certificate-transparency log ${promise.logId.slice(0, 16)}… does not hold`,
    );
  });
  return [...new Set(ids)];
}

function isInTime({ time }: LogPromise, { validity }: LogKey): boolean {
  // Beyond 2⁵³ milliseconds there is no validity.
  const at = Number(time);
  return at >= validity.start && at <= validity.end;
}

function isSigned({ algorithm, signature }: LogPromise, signed: Buffer, { key }: LogKey): boolean {
  const exact = ALGORITHMS.get(algorithm);
  return exact !== undefined && verifyExactly(exact, key, signed, signature);
}

/** RFC 6962 §3.2: what the log signs of a precertificate. */
function signedData({ time, extensions }: LogPromise, entry: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt8(V1, 0);
  // signature_type certificate_timestamp is 0.
  head.writeBigUInt64BE(time, 2);
  // entry_type precert_entry.
  head.writeUInt16BE(1, 10);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(extensions.length);
  return Buffer.concat([head, entry, length, extensions]);
}

/** PreCert: hash of the issuer's key, and the certificate to be signed as it was before the promises came into it. */
function precertificateEntry(leaf: Certificate, issuer: Certificate): Buffer {
  const tbs = withoutPromises(leaf);
  const length = Buffer.alloc(3);
  length.writeUIntBE(tbs.length, 0, 3);
  return Buffer.concat([createHash('sha256').update(issuer.rawPublicKey).digest(), length, tbs]);
}

function withoutPromises(leaf: Certificate): Buffer {
  const what = 'the certificate';
  const tbs = requireTag(membersOf(readDer(leaf.der, what), what)[0], TAG.sequence, what);
  const members = membersOf(tbs, what).map((member) =>
    member.tag === context(3)
      ? writeDer(context(3), withoutExtension(inner(member, what), what))
      : member.raw,
  );
  return writeDer(TAG.sequence, Buffer.concat(members));
}

function withoutExtension(list: Der, what: string): Buffer {
  const kept = membersOf(list, what).filter(
    (extension) => parseOid(membersOf(extension, what)[0], what) !== SCT_LIST,
  );
  return writeDer(TAG.sequence, Buffer.concat(kept.map(({ raw }) => raw)));
}

/** SignedCertificateTimestampList (RFC 6962 §3.3); promises of other versions are nobody's that we know. */
function readList(bytes: Buffer): readonly LogPromise[] {
  const list = new Vector(bytes);
  const items = new Vector(list.take16());
  list.end();
  const promises: LogPromise[] = [];
  for (let count = 0; items.left > 0; count += 1) {
    if (count === MAX_SCTS) throw new SyntaxError(`expected at most ${MAX_SCTS} SCTs`);
    const item = new Vector(items.take16());
    if (item.take(1)[0] !== V1) continue;
    promises.push({
      logId: item.take(32).toString('hex'),
      time: item.take(8).readBigUInt64BE(),
      extensions: item.take16(),
      algorithm: item.take(2).readUInt16BE(),
      signature: item.take16(),
    });
    item.end();
  }
  return promises;
}

/** Bytes of the TLS presentation language (RFC 5246 §4), taken from the front. */
class Vector {
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length;
  }

  take(length: number): Buffer {
    if (length > this.#bytes.length) throw new SyntaxError('the list of SCTs ends too early');
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** A vector with a length of two bytes. */
  take16(): Buffer {
    return this.take(this.take(2).readUInt16BE());
  }

  end(): void {
    if (this.#bytes.length > 0) throw new SyntaxError('unexpected bytes in the list of SCTs');
  }
}
