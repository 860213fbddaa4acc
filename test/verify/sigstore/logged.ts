/** Signatures of the stand-in for Sigstore, and their log entries, as the values that are verified. */
import { parseCertificate, type Certificate } from '../../../src/trust/certificate.ts';
import { parsePublicKey, type PublicKey } from '../../../src/trust/public-key.ts';
import type { LogEntry, SignedMaterial } from '../../../src/verify/sigstore/material.ts';
import type { Verifier } from '../../helpers/sigstore/entry-body.ts';
import type { SignedEnvelope, SignedMessage } from '../../helpers/sigstore/signed.ts';
import type { EntryJson } from '../../helpers/sigstore/transparency-log.ts';

type Logged = Pick<SignedMaterial, 'signature' | 'content'>;

/** An entry as a bundle carries it. */
export function logEntryOf(json: EntryJson): LogEntry {
  const { inclusionPromise: promise, inclusionProof: proof, integratedTime } = json;
  return {
    logId: base64(json.logId.keyId).toString('hex'),
    index: BigInt(json.logIndex),
    ...json.kindVersion,
    integratedTime: integratedTime === undefined ? undefined : Number(integratedTime),
    body: base64(json.canonicalizedBody),
    ...(promise && { promise: base64(promise.signedEntryTimestamp) }),
    ...(proof && {
      proof: {
        index: BigInt(proof.logIndex),
        treeSize: BigInt(proof.treeSize),
        rootHash: base64(proof.rootHash),
        hashes: proof.hashes.map(base64),
        checkpoint: proof.checkpoint?.envelope,
      },
    }),
  };
}

/** What a signature covers; an envelope comes with its JSON only where it was a legacy `.att`. */
export function materialOf(signed: SignedMessage | SignedEnvelope, isLegacy = false): Logged {
  if (signed.kind === 'message') {
    return { signature: signed.signature, content: { kind: 'message', data: signed.data } };
  }
  const { payloadType, payload, bytes } = signed.envelope;
  const envelope = isLegacy ? { envelope: bytes } : {};
  return {
    signature: signed.signature,
    content: { kind: 'dsse', payloadType, payload, ...envelope },
  };
}

export function verifierOf(verifier: Verifier): PublicKey | Certificate {
  return 'key' in verifier
    ? parseCertificate(verifier.der)
    : parsePublicKey(verifier.publicKey, 'test.pub');
}

/** The one entry of a signature. */
export function entryOf({ entries }: SignedMessage | SignedEnvelope): LogEntry {
  const [entry] = entries;
  if (entry === undefined) throw new Error('expected a log entry');
  return logEntryOf(entry);
}

function base64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
