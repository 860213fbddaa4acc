/** Arguments of the commands about approvals. */
import { parseArgs } from 'node:util';
import { parseDuration } from '../config/units.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import { counted } from '../policy/words.ts';
import type { ApprovalsDesk } from './approvals-desk.ts';

/** A command that makes no sense: exit code 2. */
export class Mistake extends Error {
  override readonly name = 'Mistake';
}

export interface ApprovalArguments {
  /** What follows the command. */
  readonly rest: readonly string[];
  readonly config: string | undefined;
  readonly key: string | undefined;
  readonly note: string | undefined;
  readonly expires: string | undefined;
  readonly keyFingerprint: string | undefined;
  readonly reason: string | undefined;
  readonly yes: boolean;
  readonly json: boolean;
}

const OPTIONS = {
  config: { type: 'string' },
  key: { type: 'string' },
  note: { type: 'string' },
  expires: { type: 'string' },
  'key-fingerprint': { type: 'string' },
  reason: { type: 'string' },
  yes: { type: 'boolean', short: 'y', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** Which command takes which option. */
const TAKES: Readonly<Record<string, readonly (keyof typeof OPTIONS)[]>> = {
  approve: ['config', 'key', 'note', 'expires', 'yes'],
  revoke: ['config', 'key-fingerprint', 'reason'],
  'approvals list': ['config', 'json'],
  'approvals public-key': ['key'],
};

/**
 * Reads what follows the name of the command.
 * @throws {Mistake} for options that the command has not, and for a number of arguments that it does not take.
 */
export function parseApprovalArguments(
  command: string,
  args: readonly string[],
  count: number,
): ApprovalArguments {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS, tokens: true });
  } catch (error) {
    throw new Mistake(error instanceof Error ? error.message : 'the options cannot be read');
  }
  const { values, positionals: rest, tokens } = parsed;
  const stranger = tokens.find(
    (token) => token.kind === 'option' && TAKES[command]?.every((name) => name !== token.name),
  );
  if (stranger?.kind === 'option') throw new Mistake(`"${command}" takes no ${stranger.rawName}`);
  if (rest.length !== count) {
    throw new Mistake(
      `expected ${counted(count, 'argument')} after "${command}", got ${rest.length}`,
    );
  }
  const { config, key, note, expires, reason, yes, json } = values;
  const keyFingerprint = values['key-fingerprint'];
  return { rest, config, key, note, expires, keyFingerprint, reason, yes, json };
}

/** @throws {Mistake} when it names nothing of a configured upstream. */
export function parseImage(text: string, desk: ApprovalsDesk): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text, {
      registry: desk.defaultRegistry,
      isRegistry: (name) => desk.isRegistry(name),
    });
  } catch (error) {
    if (error instanceof SyntaxError) throw new Mistake(error.message);
    throw error;
  }
  const { registry } = reference.repository;
  if (!desk.isRegistry(registry)) throw new Mistake(`no upstream named ${registry} is configured`);
  return reference;
}

/** The name as it was asked for, with the tag that a digest was written behind. */
export function nameOf(text: string, reference: Reference): string {
  if (reference.tag !== undefined) return formatReference(reference);
  const [name = ''] = text.split('@');
  const last = name.slice(name.lastIndexOf('/') + 1);
  const tag = last.includes(':') ? last.slice(last.indexOf(':')) : '';
  const { registry, path } = reference.repository;
  return `${registry}/${path}${tag}@${reference.digest}`;
}

/** @throws {Mistake} for what is no SHA-256 fingerprint. */
export function parseFingerprint(text: string): Digest {
  const digest = text.startsWith('sha256:') ? text : `sha256:${text}`;
  if (isDigest(digest)) return digest;
  throw new Mistake(
    `expected --key-fingerprint to be all or sha256: and 64 hex characters, got ${JSON.stringify(text.slice(0, 160))}`,
  );
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})$/;
/** Years after which a time is no time but a slip. */
const MAX_YEARS = 100;
const YEAR = 365 * 86_400_000;

/**
 * When an approval ends: `2026-12-31` is the end of that day (UTC), RFC 3339 a moment, `30d` a time from now.
 * @returns milliseconds since the epoch.
 * @throws {Mistake} for any other form, days that no month has, and times that are over.
 */
export function parseExpiry(text: string, now: number): number {
  const time = readExpiry(text, now);
  if (time === undefined) {
    throw new Mistake(
      `expected --expires to be a day such as 2026-12-31, a time such as 2026-12-31T18:00:00Z, or 30d, got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  if (time <= now) throw new Mistake(`expected --expires to be to come, got ${text}`);
  if (time > now + MAX_YEARS * YEAR) {
    throw new Mistake(`expected --expires within ${MAX_YEARS} years, got ${text}`);
  }
  return time;
}

function readExpiry(text: string, now: number): number | undefined {
  if (DAY.test(text)) {
    const end = Date.parse(`${text}T23:59:59.999Z`);
    return isDay(text) ? end : undefined;
  }
  if (MOMENT.test(text)) {
    const time = Date.parse(text);
    return Number.isFinite(time) && isDay(text.slice(0, 10)) ? time : undefined;
  }
  try {
    return now + parseDuration(text);
  } catch {
    return undefined;
  }
}

/** February has no 30th, whatever Date makes of it. */
function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(text);
}
