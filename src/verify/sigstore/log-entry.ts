/** One entry of a transparency log: that a known log holds exactly this signature, and when it says it got it. */
import type { LogInclusion, ProvenTime } from '../../policy/evidence.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { PublicKey } from '../../trust/public-key.ts';
import type { LogKey, Validity } from '../../trust/trust-root.ts';
import { verifyCheckpoint, type OriginStyle } from './checkpoint.ts';
import { requireEntryAbout } from './entry-body.ts';
import { logVersionOf, type LogVersion } from './entry-kinds.ts';
import { verifyPromise } from './entry-promise.ts';
import type { InclusionProof, LogEntry, SignedMaterial } from './material.ts';
import { requireInclusion } from './merkle.ts';

/** What an entry proved. */
export interface VerifiedEntry {
  readonly inclusion: LogInclusion;
  /** Only where the log signed it: an integrated time without a promise is anybody's claim (CVE-2026-48816). */
  readonly time?: ProvenTime;
  /** When the log's key was valid: a checkpoint has no time of its own to compare with it. */
  readonly keyValidity: Validity;
}

/**
 * Verifies all that the entry carries: its promise (SET), its proof under a checkpoint of the log, and that its body is
 * about this signature, this content and this verifier.
 * @param verifier the key or the leaf certificate of which the caller knows that it made the signature.
 * @param trustRoot the configured name of the root that `logs` are of.
 * @param now milliseconds since the epoch.
 * @returns `unknown-log` where no log has the entry's id; such an entry counts for nothing, and against nothing.
 * @throws {SyntaxError} naming the log, the index and what does not hold.
 */
export function verifyEntry(
  entry: LogEntry,
  material: Pick<SignedMaterial, 'signature' | 'content'>,
  verifier: PublicKey | Certificate,
  logs: readonly LogKey[],
  trustRoot: string,
  now: number,
): VerifiedEntry | 'unknown-log' {
  const log = logs.find(({ id }) => id === entry.logId);
  if (log === undefined) return 'unknown-log';
  try {
    const proven = proveInclusion(entry, log, now);
    requireEntryAbout(entry, material, verifier);
    const { time, ...inclusion } = proven;
    return {
      inclusion: {
        trustRoot,
        log: log.id,
        name: log.origin,
        ...(log.operator !== undefined && { operator: log.operator }),
        ...inclusion,
      },
      ...(time !== undefined && { time: timeBy(log, trustRoot, time) }),
      keyValidity: log.validity,
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const where = `entry ${entry.index} of the log ${log.origin}`;
    throw new SyntaxError(`${where}: ${error.message}`, { cause: error });
  }
}

function timeBy(log: LogKey, trustRoot: string, time: number): ProvenTime {
  return { trustRoot, source: 'transparency-log', authority: log.id, name: log.origin, time };
}

interface Inclusion extends Pick<LogInclusion, 'index' | 'by'> {
  readonly time?: number;
}

function proveInclusion(entry: LogEntry, log: LogKey, now: number): Inclusion {
  const version = logVersionOf(entry);
  if (entry.index < 0n) throw new SyntaxError('expected a log index of 0 or more');
  if (version === 2) requireTimeless(entry);
  const time = entry.promise && verifyPromise(entry, entry.promise, log, now);
  const proven =
    entry.proof !== undefined &&
    verifyProof(entry, entry.proof, log, styleOf(version, time !== undefined));
  if (time !== undefined) {
    return { index: `${entry.index}`, by: proven ? ['promise', 'proof'] : ['promise'], time };
  }
  if (entry.proof === undefined || !proven) {
    throw new SyntaxError(
      version === 2
        ? 'expected an inclusion proof under a checkpoint'
        : 'expected a promise (SET), or an inclusion proof under a checkpoint',
    );
  }
  // Without a promise nobody signed the index of the entry; the proof has an index of its own, in its tree.
  return { index: `${entry.proof.index}`, by: ['proof'] };
}

/** Rekor v2 promises nothing and tells no time, so whatever looks like it is not the log's. */
function requireTimeless({ promise, integratedTime }: LogEntry): void {
  if (promise !== undefined) {
    throw new SyntaxError('unexpected promise (SET): logs of version 2 make none');
  }
  if (integratedTime !== undefined && integratedTime !== 0) {
    throw new SyntaxError('unexpected integrated time: logs of version 2 tell none');
  }
}

/** An origin that is not the log's is put up with where the log itself promised the entry (SET). */
function styleOf(version: LogVersion, promised: boolean): OriginStyle {
  if (version === 2) return 'bare';
  return promised ? 'any-host' : 'tree-id';
}

/** Whether the proof proves something: without a checkpoint nobody vouches for its root hash. */
function verifyProof(
  entry: LogEntry,
  proof: InclusionProof,
  log: LogKey,
  style: OriginStyle,
): boolean {
  if (proof.checkpoint === undefined) {
    requireInclusion(entry.body, proof, proof.rootHash);
    return false;
  }
  // Rekor v1 counts its entries across the trees it has had, Rekor v2 has one tree.
  if (style === 'bare' && proof.index !== entry.index) {
    throw new SyntaxError(
      `expected an inclusion proof for index ${entry.index}, got one for ${proof.index}`,
    );
  }
  const { treeSize, rootHash } = verifyCheckpoint(proof.checkpoint, log, style);
  // What a bundle leaves out is empty; the checkpoint says it anyway.
  if (proof.treeSize !== 0n && proof.treeSize !== treeSize) {
    throw new SyntaxError(
      `expected an inclusion proof for the checkpoint's tree size ${treeSize}, got ${proof.treeSize}`,
    );
  }
  if (proof.rootHash.length > 0 && !proof.rootHash.equals(rootHash)) {
    throw new SyntaxError('the root hash of the inclusion proof is not that of the checkpoint');
  }
  requireInclusion(entry.body, { ...proof, treeSize }, rootHash);
  return true;
}
