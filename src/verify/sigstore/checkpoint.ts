/** Checkpoints: a log's signed statement of its size and root hash (C2SP signed-note, tlog-checkpoint). */
import type { LogKey } from '../../trust/trust-root.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_CHECKPOINT, MAX_SIGNATURE_TEXT } from '../bounds.ts';
import { signatureMatches } from '../key-signature.ts';

/** What a checkpoint says. */
export interface Checkpoint {
  /** The first line. */
  readonly origin: string;
  readonly treeSize: bigint;
  /** 32 bytes. */
  readonly rootHash: Buffer;
}

/** One signature line; nobody has looked whose it is. */
export interface NoteSignature {
  readonly name: string;
  /** The first four bytes. */
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

export interface SignedCheckpoint extends Checkpoint {
  /** What the signatures cover. */
  readonly text: Buffer;
  readonly signatures: readonly NoteSignature[];
}

/** Rekor v1 has a tree id behind the origin of its checkpoints, Rekor v2 has not. */
export type OriginStyle = 'tree-id' | 'any-host' | 'bare';

/** signed-note: at least 16 signatures are to be accepted. */
const MAX_SIGNATURES = 64;
const ROOT_HASH_TEXT = 44;
const ROOT_HASH_LENGTH = 32;

// signed-note: no control character but newline.
const FORBIDDEN = /[^\P{Cc}\n]/u;
// signed-note: an em dash; key names have neither spaces nor plus signs.
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) (\S+)$/u;
// tlog-checkpoint: decimal without leading zeroes; below 2^64.
const TREE_SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const TREE_ID = /^ - [0-9]{1,20}$/;
const TREE_ID_AT_END = / - [0-9]{1,20}$/;

/**
 * Reads a signed note whose text is a checkpoint. No signature is verified.
 * @throws {SyntaxError} for everything else, a malformed line of a witness included.
 */
export function parseCheckpoint(note: string): SignedCheckpoint {
  if (note.length > MAX_CHECKPOINT) {
    throw new SyntaxError(`expected a checkpoint of at most ${MAX_CHECKPOINT} characters`);
  }
  if (!note.isWellFormed() || FORBIDDEN.test(note) || !note.endsWith('\n')) {
    throw new SyntaxError('expected a checkpoint of plain lines');
  }
  // signed-note: the last empty line separates, and tlog-checkpoint allows no other.
  const blank = note.lastIndexOf('\n\n');
  if (blank === -1) throw new SyntaxError('expected a blank line in the checkpoint');
  const [origin = '', size = '', root = '', ...extensions] = note.slice(0, blank).split('\n');
  if (origin === '' || extensions.includes('')) {
    throw new SyntaxError('expected no empty line in the text of the checkpoint');
  }
  if (!TREE_SIZE.test(size)) {
    throw new SyntaxError('expected the second line of the checkpoint to be the tree size');
  }
  const rootHash = parseBase64(root, 'the root hash of the checkpoint', ROOT_HASH_TEXT);
  if (rootHash.length !== ROOT_HASH_LENGTH) {
    throw new SyntaxError(
      `expected a root hash of ${ROOT_HASH_LENGTH} bytes in the checkpoint, got ${rootHash.length}`,
    );
  }
  if (blank + 2 === note.length) throw new SyntaxError('the checkpoint has no signature');
  const lines = note.slice(blank + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) {
    throw new SyntaxError(`expected at most ${MAX_SIGNATURES} signatures of the checkpoint`);
  }
  return {
    origin,
    treeSize: BigInt(size),
    rootHash,
    text: Buffer.from(note.slice(0, blank + 1)),
    signatures: lines.map(parseSignatureLine),
  };
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, text] = SIGNATURE_LINE.exec(line) ?? [];
  if (name === undefined) {
    throw new SyntaxError('expected every signature of the checkpoint as "— name base64"');
  }
  const bytes = parseBase64(text, `the checkpoint signature of ${name}`, MAX_SIGNATURE_TEXT);
  if (bytes.length < 5) {
    throw new SyntaxError(`the checkpoint signature of ${name} is too short`);
  }
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/**
 * Reads a checkpoint and requires that this log made it: its origin line is the log's, and a signature under the log's
 * name and key id is by the log's key. Names are compared whole: `log.example` is no `log.example.evil`, nor is it part
 * of one. Signatures under other names or key ids are of others (witnesses, other keys of the log) and prove nothing.
 * @throws {SyntaxError} saying what does not hold.
 */
export function verifyCheckpoint(note: string, log: LogKey, style: OriginStyle): Checkpoint {
  const checkpoint = parseCheckpoint(note);
  const { origin, treeSize, rootHash, text, signatures } = checkpoint;
  // Rekor v1 may sign under the name of the machine it runs on, which changes with it. The key id binds the log all the same.
  const name = style === 'any-host' ? origin.replace(TREE_ID_AT_END, '') : log.origin;
  if (style !== 'any-host' && !isOriginOf(log, origin, style)) {
    throw new SyntaxError(
      `expected a checkpoint of ${log.origin}, got one of ${JSON.stringify(origin.slice(0, 120))}`,
    );
  }
  const keyId = Buffer.from(log.checkpointId.slice(0, 8), 'hex');
  const own = signatures.filter((line) => line.name === name && line.keyId.equals(keyId));
  if (own.length === 0) throw new SyntaxError('the checkpoint is not signed by the log');
  if (!own.some(({ signature }) => signatureMatches(log.key, text, signature))) {
    throw new SyntaxError("the log's signature of the checkpoint does not verify");
  }
  return { origin, treeSize, rootHash };
}

function isOriginOf(log: LogKey, origin: string, style: OriginStyle): boolean {
  if (origin === log.origin) return true;
  return (
    style === 'tree-id' &&
    origin.startsWith(log.origin) &&
    TREE_ID.test(origin.slice(log.origin.length))
  );
}
