/** Exceptions in force: what is admitted for a time although its signatures do not do, and what that rests on. */
import type { Logger } from 'pino';
import type { Digest } from '../oci/digest.ts';
import { formatRepository, type Repository } from '../oci/reference.ts';
import { describeException, describeOver, type Exception } from '../policy/exception.ts';
import type { Rule } from '../policy/rule.ts';
import type { Verdict } from '../policy/verdict.ts';
import { UNDETERMINED_EXCEPTION } from './bounds.ts';

/** Those of one configuration. */
export interface Exceptions {
  /** The one that admits a digest under a rule now. */
  find(rule: Pick<Rule, 'name'>, digest: Digest): Exception | undefined;
  /** The one that did, and is over. */
  findOver(rule: Pick<Rule, 'name'>, digest: Digest): Exception | undefined;
  /**
   * Whether what a verdict rests on is in force word for word, and under this very rule: the verdict may have been found
   * under another of the same content. So it is where it rests on none.
   */
  covers(rule: Pick<Rule, 'name'>, verdict: Pick<Verdict, 'exception'>): boolean;
}

/** @param clock milliseconds since the epoch. What was over once stays over, though the clock be set back. */
export function openExceptions(list: readonly Exception[], clock: () => number): Exceptions {
  const byName = new Map(list.map((exception) => [nameOf(exception), exception]));
  let latest = Number.NEGATIVE_INFINITY;

  function isOver({ expires }: Exception): boolean {
    latest = Math.max(latest, clock());
    return latest >= expires;
  }

  function look(rule: Pick<Rule, 'name'>, digest: Digest, over: boolean): Exception | undefined {
    const found = byName.get(nameOf({ rule: rule.name, digest }));
    return found !== undefined && isOver(found) === over ? found : undefined;
  }

  return {
    find: (rule, digest) => look(rule, digest, false),
    findOver: (rule, digest) => look(rule, digest, true),
    covers(rule, { exception }) {
      if (exception === undefined) return true;
      const { digest, reason, expires } = exception;
      const now = look(rule, digest, false);
      return now?.reason === reason && now.expires === expires;
    },
  };
}

/** Where there are none: a verdict that rested on one rests on nothing. */
export const NO_EXCEPTIONS: Exceptions = openExceptions([], () => 0);

/** A decision in which an exception may be needed. */
export interface Exceptable {
  readonly repository: Repository;
  readonly rule: Pick<Rule, 'name'>;
  readonly digest: Digest;
  readonly tag: string | undefined;
  /** What was decided before still stands in where signatures cannot be looked at, so no exception need do so. */
  readonly standing: boolean;
}

interface ExceptionParts {
  readonly exceptions?: Exceptions;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Pick<Logger, 'warn'>;
}

/** The verdict of signatures, or the one that an exception puts in its place. That is told each time. */
export function orExcepted(
  { repository, rule, digest, tag, standing }: Exceptable,
  verdict: Verdict,
  { exceptions = NO_EXCEPTIONS, clock, logger }: ExceptionParts,
): Verdict {
  const { outcome } = verdict;
  if (outcome === 'admitted' || (outcome === 'undetermined' && standing)) return verdict;
  const exception = exceptions.find(rule, digest);
  if (exception === undefined) {
    const over = exceptions.findOver(rule, digest);
    if (over === undefined) return verdict;
    return { ...verdict, reasons: [...verdict.reasons, describeOver(over)] };
  }
  const excepted = exceptedBecause(verdict, exception, clock());
  const image = `${formatRepository(repository)}@${digest}`;
  const { reason, expires } = exception;
  logger.warn(
    { image, tag, rule: rule.name, reason, expires: new Date(expires).toISOString() },
    `admitted by an exception: ${excepted.reasons.join('; ')}`,
  );
  return excepted;
}

/**
 * The verdict in the place of one that does not admit. It is nobody's signature, and ends with the exception; where the
 * signatures could not be looked at, they are looked for again soon.
 * @param now milliseconds since the epoch.
 */
function exceptedBecause(verdict: Verdict, exception: Exception, now: number): Verdict {
  const { findings, evaluation, reasons } = verdict;
  const isOpen = verdict.outcome === 'undetermined';
  const otherwise = isOpen ? 'it could not be decided now' : 'it would be refused';
  return {
    outcome: 'admitted',
    reasons: [describeException(exception), `without it ${otherwise}: ${reasons.join('; ')}`],
    signers: [],
    findings,
    ...(evaluation === undefined ? {} : { evaluation }),
    until: isOpen ? Math.min(exception.expires, now + UNDETERMINED_EXCEPTION) : exception.expires,
    exception,
  };
}

/** What a verdict rests on by way of another one. */
export function restingOn(verdict: Verdict, { exception }: Pick<Verdict, 'exception'>): Verdict {
  if (exception === undefined) return verdict;
  const { expires } = exception;
  return {
    ...verdict,
    reasons: [describeException(exception), ...verdict.reasons],
    until: Math.min(verdict.until ?? expires, expires),
    exception,
  };
}

/** What clients are told of it; undefined where there is nothing to say. */
export function warningOf({ exception, reasons }: Verdict): string | undefined {
  return exception === undefined ? undefined : reasons.join('; ');
}

/** A tuple: a digest contains no space. */
function nameOf({ rule, digest }: Pick<Exception, 'rule' | 'digest'>): string {
  return `${digest} ${rule}`;
}
