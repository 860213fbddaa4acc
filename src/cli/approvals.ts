/** `countersign approve`, `revoke` and `approvals …`: what the operator's organisation says of images itself. */
import { plainText } from '../admission/plain-text.ts';
import { formatRepository } from '../oci/reference.ts';
import { SigningError } from '../signing/signing-error.ts';
import type { Approval } from '../store/local-records.ts';
import { StoreError } from '../store/store-error.ts';
import { UpstreamError } from '../upstream/upstream.ts';
import { Mistake, parseApprovalArguments } from './approval-arguments.ts';
import type { ApprovalsDesk, KeyDesk } from './approvals-desk.ts';
import { approve } from './approve.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';
import { revoke } from './revoke.ts';

const MAX_LINE = 2000;

export interface ApprovalCommandParts {
  readonly keys: KeyDesk;
  /** @param configFile undefined for the one that is shipped. */
  readonly open: (configFile: string | undefined) => ApprovalsDesk;
}

/** Whether the command is one of these, which read their own arguments. */
export function isApprovalCommand(command: string | undefined): boolean {
  return command === 'approve' || command === 'revoke' || command === 'approvals';
}

/**
 * @param args the whole command line.
 * @returns 0 when done, 1 where there is nothing to do it with, 2 for what makes no sense, 3 where upstream, or whoever
 * keeps a key, could not be asked, or the records could not be used.
 */
export async function approvals(
  args: readonly string[],
  { keys, open }: ApprovalCommandParts,
  io: CommandIo,
): Promise<ExitCode> {
  const [command = '', ...rest] = args;
  try {
    if (command === 'approve') {
      const options = parseApprovalArguments(command, rest, 1);
      return await withDesk(open(options.config), (desk) => approve(options, desk, keys, io));
    }
    if (command === 'revoke') {
      const options = parseApprovalArguments(command, rest, 1);
      return await withDesk(open(options.config), (desk) => revoke(options, desk, io));
    }
    const [action, ...more] = rest;
    const name = `approvals ${action ?? ''}`;
    if (action === 'list') {
      const { config, json } = parseApprovalArguments(name, more, 0);
      return await withDesk(open(config), (desk) => list(desk, json, io));
    }
    if (action === 'public-key') {
      const { key } = parseApprovalArguments(name, more, 0);
      return await printPublicKey(key, keys, io);
    }
    throw new Mistake('expected approvals list or approvals public-key');
  } catch (error) {
    const code = codeFor(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    io.err(plainText(error.message, MAX_LINE));
    return code;
  }
}

async function withDesk<T>(
  desk: ApprovalsDesk,
  work: (desk: ApprovalsDesk) => Promise<T>,
): Promise<T> {
  try {
    return await work(desk);
  } finally {
    await desk.close();
  }
}

/** Undefined for what nobody expects. */
function codeFor(error: unknown): ExitCode | undefined {
  if (error instanceof Mistake) return EXIT.usage;
  if (error instanceof UpstreamError || error instanceof StoreError) return EXIT.undetermined;
  if (!(error instanceof SigningError)) return undefined;
  return error.code === 'unreachable' ? EXIT.undetermined : EXIT.usage;
}

async function printPublicKey(
  key: string | undefined,
  keys: KeyDesk,
  io: CommandIo,
): Promise<ExitCode> {
  if (key === undefined)
    throw new Mistake('expected --key FILE, hashivault://KEY or awskms:///KEY');
  const signer = await keys.openSigner(key);
  try {
    io.out(signer.publicPem.trimEnd());
    return EXIT.ok;
  } finally {
    await signer.close();
  }
}

async function list(desk: ApprovalsDesk, json: boolean, io: CommandIo): Promise<ExitCode> {
  const known = await (await desk.records('read')).listApprovals();
  const now = desk.now();
  if (json)
    io.out(
      JSON.stringify(
        known.map((one) => toJson(one, now)),
        undefined,
        2,
      ),
    );
  else for (const one of known) io.out(plainText(describe(one, now), MAX_LINE));
  return EXIT.ok;
}

type State = 'in force' | 'expired' | 'revoked';

function stateOf({ expires, revoked }: Approval, now: number): State {
  if (revoked !== undefined) return 'revoked';
  return expires !== undefined && expires <= now ? 'expired' : 'in force';
}

function describe(approval: Approval, now: number): string {
  const { reference, repository, subject, key, note, approvedAt, expires, revoked } = approval;
  const name = reference === '' ? formatRepository(repository) : reference;
  return [
    name.endsWith(subject) ? name : `${name}  ${subject}`,
    `by ${key}`,
    // What was never approved here has nothing but its revocation.
    ...(reference === '' ? [] : [`since ${time(approvedAt)}`]),
    ...(expires === undefined ? [] : [`until ${time(expires)}`]),
    ...(revoked === undefined ? [] : [`revoked ${time(revoked.at)}`]),
    ...(revoked === undefined || revoked.reason === '' ? [] : [JSON.stringify(revoked.reason)]),
    ...(note === '' ? [] : [JSON.stringify(note)]),
    `(${stateOf(approval, now)})`,
  ].join('  ');
}

function toJson(approval: Approval, now: number): object {
  const { reference, repository, subject, key, note, approvedAt, expires, revoked } = approval;
  return {
    repository: formatRepository(repository),
    digest: subject,
    key,
    state: stateOf(approval, now),
    ...(reference === '' ? {} : { reference, note, approvedAt: time(approvedAt) }),
    ...(expires === undefined ? {} : { expires: time(expires) }),
    ...(revoked === undefined ? {} : { revokedAt: time(revoked.at), reason: revoked.reason }),
    ...(approval.manifest === undefined ? {} : { manifest: approval.manifest }),
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
