/** Refusals in words: what was asked, which rule, why, and what to do about it. */
import { digestHex, type Digest } from '../oci/digest.ts';
import {
  formatReference,
  formatRepository,
  type Reference,
  type Repository,
} from '../oci/reference.ts';
import { describeAction, type Rule } from '../policy/rule.ts';
import type { Verdict } from '../policy/verdict.ts';
import { RETRY_AFTER } from './bounds.ts';
import { isUndetermined, type RefusalCode, type Refused } from './decision.ts';
import { plainText } from './plain-text.ts';

interface Facts {
  readonly digest?: Digest | undefined;
  readonly rule?: Rule | undefined;
  readonly verdict?: Verdict | undefined;
  /** Seconds; null where asking again is of no use. */
  readonly retryAfter?: number | null | undefined;
  /** For the reason phrase, in the place of what the code alone says. */
  readonly phrase?: string;
}

/** Refusals in which the rule had its say; the others are the upstream's doing. */
const RULED: ReadonlySet<RefusalCode> = new Set([
  'rejected',
  'not-admitted',
  'tag-held',
  'invalid-manifest',
  'outside-graph',
]);

const STATES: Partial<Readonly<Record<RefusalCode, string>>> = {
  absent: 'is not there',
  'upstream-refused': 'cannot be had',
  'digest-mismatch': 'cannot be served',
  'too-large': 'cannot be served',
};

/** Characters of one reason: media types and the like are as long as strangers make them. */
const MAX_REASON = 500;

/** What a HEAD can say of an upstream's failure: the whole sentence is too long, and names hosts of the inside. */
const PHRASES: Partial<Readonly<Record<RefusalCode, string>>> = {
  absent: 'the upstream has no such thing',
  'upstream-refused': 'the upstream lets us not in, or it does not exist',
  unreachable: 'the upstream cannot be asked now',
  timeout: 'the upstream took too long',
  'rate-limited': 'the upstream limits us',
  'digest-mismatch': 'upstream bytes do not match their digest',
  'too-large': 'larger than what is served',
};

/** A refusal from its parts; `reasons` come the most telling first. */
export function refuse(
  code: RefusalCode,
  asked: string,
  reasons: readonly string[],
  advice: string,
  facts: Facts = {},
): Refused {
  const { digest, rule, verdict } = facts;
  const why = reasons.map((reason) => plainText(reason, MAX_REASON));
  const ruleName = plainText(rule?.name ?? '', MAX_REASON);
  const subject = digest === undefined || asked.includes(digest) ? asked : `${asked} (${digest})`;
  const ruled = rule !== undefined && RULED.has(code);
  const state = isUndetermined(code)
    ? 'cannot be decided now'
    : ruled
      ? `is refused by rule "${ruleName}"`
      : (STATES[code] ?? 'is refused');
  const retryAfter =
    facts.retryAfter === null
      ? undefined
      : (facts.retryAfter ?? (isUndetermined(code) ? RETRY_AFTER : undefined));
  return {
    outcome: 'refused',
    code,
    message: `${subject} ${state}: ${why.join('; ')}. ${advice}`.trim(),
    phrase: `${facts.phrase ?? PHRASES[code] ?? why[0] ?? code}${ruled ? ` (rule ${ruleName})` : ''}`,
    reasons: why,
    source: 'fresh',
    ...(digest === undefined ? {} : { digest }),
    ...(rule === undefined ? {} : { rule: rule.name }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}

export function refuseUnknownUpstream(repository: Repository): Refused {
  return refuse(
    'unknown-upstream',
    formatRepository(repository),
    [`no upstream named ${repository.registry} is configured`],
    `Add it to the upstreams of the configuration if it should be reachable.`,
  );
}

/** The refusal that a first-time operator meets: it shows the rule to add. */
export function refuseWithoutRule(asked: string, repository: Repository): Refused {
  const name = formatRepository(repository);
  return refuse(
    'no-rule',
    asked,
    [`no rule covers ${name}`],
    `Add one to policies in the configuration, e.g. { name: my rule, match: "${name}", require: { key: { trustRoot: NAME } } } with NAME under trustRoots.`,
  );
}

export function refuseRejected(asked: string, rule: Rule, reason: string): Refused {
  return refuse('rejected', asked, [reason], 'The operator of this proxy decided so.', { rule });
}

/** A verdict that is not `admitted`, as a refusal. */
export function refuseVerdict(
  reference: Reference,
  digest: Digest,
  rule: Rule,
  verdict: Verdict,
): Refused {
  const asked = formatReference(reference);
  const advice = `The rule requires ${describeAction(rule.action)}; see: countersign verify ${asked}`;
  const code =
    verdict.outcome === 'undetermined' ? (verdict.trouble ?? 'unreachable') : 'not-admitted';
  return refuse(code, asked, verdict.reasons, advice, {
    digest,
    rule,
    verdict,
    ...(isUndetermined(code) ? { retryAfter: verdict.retryAfter } : {}),
  });
}

export function refuseManifest(asked: string, digest: Digest, rule: Rule, reason: string): Refused {
  return refuse(
    'invalid-manifest',
    asked,
    [`the manifest is not acceptable: ${reason}`],
    'Its publisher has to correct it.',
    { digest, rule },
  );
}

export function refuseOutsideGraph(repository: Repository, digest: Digest, rule: Rule): Refused {
  return refuse(
    'outside-graph',
    `${formatRepository(repository)}@${digest}`,
    ['no admitted manifest of this repository names it'],
    'Pull the image by its tag or manifest digest through this proxy first.',
    { digest, rule },
  );
}

export function absentAttachment(asked: string): Refused {
  return refuse('absent', asked, ['there is no such attachment'], '');
}

/** `sha256:0123456789ab…` */
export function shortDigest(digest: Digest): string {
  return `${digest.slice(0, digest.indexOf(':'))}:${digestHex(digest).slice(0, 12)}…`;
}
