/** `countersign revoke REF`: the organisation takes its signature over an image back. */
import { plainText } from '../admission/plain-text.ts';
import type { Digest } from '../oci/digest.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { Approval } from '../store/local-records.ts';
import {
  Mistake,
  parseFingerprint,
  parseImage,
  type ApprovalArguments,
} from './approval-arguments.ts';
import type { ApprovalsDesk } from './approvals-desk.ts';
import { noticed } from './approve.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

const MAX_LINE = 2000;
const MAX_REASON = 1000;

/**
 * Takes approvals back. By a tag all digests are meant that were approved under it; by a digest and a fingerprint also
 * what others published of that key: none of its signatures over the image counts in the repository any longer.
 * @returns 1 where there is nothing to take back, 2 for what makes no sense, 3 where a running proxy did not say that it
 * noticed.
 */
export async function revoke(
  options: ApprovalArguments,
  desk: ApprovalsDesk,
  io: CommandIo,
): Promise<ExitCode> {
  const { rest, keyFingerprint, reason = '' } = options;
  if (reason.length > MAX_REASON) {
    throw new Mistake(`expected a reason of at most ${MAX_REASON} characters`);
  }
  const reference = parseImage(rest[0] ?? '', desk);
  const records = await desk.records('write');
  const known = (await records.listApprovals()).filter((approval) => isMeant(approval, reference));
  const meant = keysOf(reference, known, keyFingerprint);
  if (meant.size === 0) {
    io.err(
      `no approval of ${formatReference(reference)} is in force here: countersign approvals list names those that are; what was signed elsewhere is taken back by NAME@DIGEST with --key-fingerprint`,
    );
    return EXIT.denied;
  }
  const { repository } = reference;
  for (const [subject, keys] of meant) {
    await records.revoke({ repository, subject, keys: [...keys], at: desk.now(), reason });
    for (const key of keys) {
      const line = `${formatReference({ repository, digest: subject })}: what the key ${key} signed counts no longer`;
      io.out(plainText(line, MAX_LINE));
    }
  }
  return noticed(desk, io);
}

function isMeant({ repository, reference, subject, revoked }: Approval, meant: Reference): boolean {
  const { registry, path } = meant.repository;
  if (revoked !== undefined || repository.registry !== registry || repository.path !== path) {
    return false;
  }
  if (meant.tag === undefined) return subject === meant.digest;
  const name = formatReference(meant);
  return reference === name || reference === `${name}@${subject}`;
}

/** Fingerprints by the digest that they signed. */
function keysOf(
  { digest }: Reference,
  known: readonly Approval[],
  wanted: string | undefined,
): ReadonlyMap<Digest, ReadonlySet<string>> {
  const fingerprint =
    wanted === undefined || wanted === 'all' ? undefined : parseFingerprint(wanted);
  if (fingerprint !== undefined && digest !== undefined) {
    return new Map([[digest, new Set([fingerprint])]]);
  }
  const keys = new Set(known.map(({ key }) => key));
  if (wanted === undefined && keys.size > 1) {
    throw new Mistake(
      `${keys.size} keys approved it: expected --key-fingerprint all, or one of ${[...keys].join(', ')}`,
    );
  }
  const meant = new Map<Digest, Set<string>>();
  for (const { subject, key } of known) {
    if (fingerprint !== undefined && key !== fingerprint) continue;
    meant.set(subject, (meant.get(subject) ?? new Set()).add(key));
  }
  return meant;
}
