/** What third parties of one trust root say about a signature: logs that hold it, authorities that stamped it. */
import type { LogInclusion, ProvenTime } from '../../policy/evidence.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { PublicKey } from '../../trust/public-key.ts';
import type { SigstoreRoot, Validity } from '../../trust/trust-root.ts';
import { verifyEntry } from './log-entry.ts';
import type { SignedMaterial } from './material.ts';
import { verifyTimestamp } from './timestamp.ts';

export interface Observations {
  readonly logs: readonly LogInclusion[];
  readonly times: readonly ProvenTime[];
}

/**
 * Verifies everything that came along and that the root knows; what it does not know counts for nothing.
 * @param verifier - Whose signature it is, which the caller has checked.
 * @throws {SyntaxError} when something of a known log or authority does not hold: whoever tampers with one thing is not
 * believed about another.
 */
export function observe(
  material: SignedMaterial,
  verifier: PublicKey | Certificate,
  { name, authorities }: SigstoreRoot,
  now: number,
): Observations {
  const { transparencyLogs, timestampAuthorities } = authorities;
  const entries = material.entries
    .map((entry) => verifyEntry(entry, material, verifier, transparencyLogs, name, now))
    .filter((entry) => entry !== 'unknown-log');
  const stamped = material.timestamps
    .map((der) => verifyTimestamp(der, material.timestamped, timestampAuthorities, name, now))
    .filter((time) => time !== 'unknown-authority');
  const times = unique(
    [...entries.flatMap(({ time }) => (time === undefined ? [] : [time])), ...stamped],
    ({ source, authority, time }) => `${source} ${authority} ${time}`,
  );
  // Rekor v2 tells no time, so whether the log's key was in force is asked of those who do.
  for (const { inclusion, keyValidity } of entries) {
    requireWithin(keyValidity, times.length > 0 ? times.map(({ time }) => time) : [now], inclusion);
  }
  return {
    logs: unique(
      entries.map(({ inclusion }) => inclusion),
      ({ log, index }) => `${log} ${index}`,
    ),
    times,
  };
}

function requireWithin(
  { start, end }: Validity,
  times: readonly number[],
  { name, index }: LogInclusion,
): void {
  const outside = times.find((time) => time < start || time > end);
  if (outside === undefined) return;
  throw new SyntaxError(
    `entry ${index} of the log ${name}: the log's key is not valid at ${new Date(outside).toISOString()}`,
  );
}

/** The first of those that are the same by `name`. An entry that comes twice is one entry. */
function unique<T>(items: readonly T[], name: (item: T) => string): readonly T[] {
  return [...new Map([...items].reverse().map((item) => [name(item), item])).values()].reverse();
}
