/** Signed notes: what logs sign as checkpoints, and what witnesses sign beside them. */
import { createKey, sha, type TestKey } from './key.ts';

/** One signature line under a note. */
export function signatureLine(name: string, keyId: Buffer, signature: Buffer): string {
  return `\u2014 ${name} ${Buffer.concat([keyId.subarray(0, 4), signature]).toString('base64')}\n`;
}

/** The key id of a note's signer by an Ed25519 key: of type 1 a log, of type 4 a witness. */
export function noteKeyId(name: string, type: number, key: TestKey): Buffer {
  // An Ed25519 SPKI is a fixed prefix and the 32 bytes of the key.
  const raw = key.spki.subarray(-32);
  return sha('sha256', Buffer.from(`${name}\n`), Buffer.from([type]), raw);
}

/** Somebody who vouches that a log shows everyone the same tree. */
export interface Witness {
  readonly name: string;
  readonly key: TestKey;
  /** A signature line. @param time milliseconds since the epoch */
  cosign(note: string, time: number): string;
}

export function createWitness(name = 'witness.test/one'): Witness {
  const key = createKey('ed25519');
  return {
    name,
    key,
    cosign: (note, time) => {
      const seconds = Math.floor(time / 1000);
      const at = Buffer.alloc(8);
      at.writeBigUInt64BE(BigInt(seconds));
      const signature = key.sign(Buffer.from(`cosignature/v1\ntime ${seconds}\n${note}`));
      return signatureLine(name, noteKeyId(name, 4, key), Buffer.concat([at, signature]));
    },
  };
}
