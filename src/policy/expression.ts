/** CEL rules over a statement: checked at load, bounded when they run, true or not satisfied with a reason. */
import { Environment, type ParseResult } from '@marcbachmann/cel-js';
import type { CelValue, ExpressionInput } from './expression-input.ts';
import { METER, metered } from './expression-meter.ts';
import type { TextPattern } from './text-pattern.ts';

/** A compiled rule. */
export interface Expression {
  readonly text: string;
  /** Whether what it says may change by the passing of time alone. */
  readonly usesNow: boolean;
  /** Why the rule is not satisfied; undefined where it is true. Never throws. */
  check(input: ExpressionInput): string | undefined;
}

/** Characters of a rule. */
const MAX_TEXT = 4096;
/**
 * What one evaluation may cost, in units of about a tenth of a microsecond: a node visited, sixteen characters compared.
 * Enough for a look at each of some ten thousand packages, or at every pair of a few hundred.
 */
const BUDGET = 1_000_000;

const LIMITS = {
  maxAstNodes: 500,
  maxDepth: 40,
  maxListElements: 200,
  maxMapEntries: 100,
  maxCallArguments: 8,
};

class TooCostly extends Error {
  override readonly name = 'TooCostly';
}

const TOO_COSTLY = new TooCostly('the rule is too costly for this statement');

/** Evaluation is synchronous and never nested, so one meter does for all rules. */
const meter = {
  left: 0,
  patterns: [] as readonly TextPattern[],
  pay(units: number): void {
    this.left -= units;
    if (this.left < 0) throw TOO_COSTLY;
  },
};

/** Variables and functions of rules as their authors see them. */
const LANGUAGE = new Environment({ limits: LIMITS, homogeneousAggregateLiterals: false })
  .registerVariable('statement', 'map<string, dyn>')
  .registerVariable('predicate', 'dyn')
  .registerVariable('subject', 'list<dyn>')
  .registerVariable({
    name: 'signer',
    schema: {
      kind: 'string',
      trustRoot: 'string',
      fingerprint: 'string',
      issuer: 'string',
      subjects: 'list<string>',
      extensions: 'map<string, string>',
    },
  })
  .registerVariable('now', 'google.protobuf.Timestamp')
  .registerVariable('signedAt', 'dyn');

/** The same with a meter; the metered text is longer than what its author wrote. */
const METERED = LANGUAGE.clone({ limits: { ...LIMITS, maxAstNodes: 10_000, maxDepth: 250 } })
  .registerFunction(`${METER.step}(int): bool`, step, { async: false })
  .registerFunction(`${METER.stop}(): dyn`, stop, { async: false })
  .registerFunction(`${METER.pay}(T): T`, pay, { async: false })
  .registerFunction(`${METER.matches}(string, int): bool`, matches, { async: false });

function step(units: bigint): boolean {
  meter.left -= Number(units);
  return meter.left >= 0;
}

function stop(): never {
  throw TOO_COSTLY;
}

/** Charges for the whole of a value before somebody compares, copies or joins it. */
function pay(value: CelValue): CelValue {
  const open: CelValue[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    meter.pay(typeof next === 'string' ? 1 + (next.length >> 4) : 1);
    if (next instanceof Map) open.push(...next.keys(), ...next.values());
    else if (Array.isArray(next)) for (const item of next) open.push(item as CelValue);
  }
  return value;
}

function matches(text: string, index: bigint): boolean {
  const pattern = meter.patterns[Number(index)];
  if (pattern === undefined) throw new Error(`no pattern ${index}`);
  meter.pay(1 + ((text.length * pattern.size) >> 3));
  return pattern.matchesPart(text);
}

/**
 * Compiles a CEL expression over `statement`, `predicate`, `subject`, `signer` (kind, trustRoot, fingerprint, issuer,
 * subjects, extensions), `now` and `signedAt` (the earliest proven time, or null).
 *
 * Whole numbers of JSON are ints, others doubles: compare them freely (`predicate.score >= 7.5`), but to calculate with
 * both say `double(x)`. `matches` takes a literal RE2 pattern and, as CEL has it, finds it anywhere in the text.
 * @throws {SyntaxError} when it does not parse, does not fit its types or cannot be true or false.
 */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_TEXT) {
    throw new SyntaxError(`expected a rule of at most ${MAX_TEXT} characters, got ${text.length}`);
  }
  const { text: meteredText, patterns, usesNow } = metered(checked(LANGUAGE, text).ast);
  const run = checked(METERED, meteredText);
  return {
    text,
    usesNow,
    check(input) {
      meter.left = BUDGET;
      meter.patterns = patterns;
      const result = resultOf(run, input);
      // `||` and exists() go on after an error of one side, so the meter itself is asked at the end.
      if (meter.left < 0) return TOO_COSTLY.message;
      if (result === true) return undefined;
      if (result === false) return 'the rule is false';
      if (result instanceof Error) return `the rule cannot be evaluated: ${summaryOf(result)}`;
      return 'the rule is neither true nor false';
    },
  };
}

function resultOf(run: ParseResult, input: ExpressionInput): unknown {
  const { stackTraceLimit } = Error;
  // Whoever wrote the predicate decides how many errors a loop meets; none of them is shown with its stack.
  Error.stackTraceLimit = 0;
  try {
    return run(input);
  } catch (error) {
    return error instanceof Error ? error : new Error('unknown');
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function checked(environment: Environment, text: string): ParseResult {
  const wrong = (error: unknown): SyntaxError =>
    new SyntaxError(`expected a CEL rule: ${placeOf(error)}`, { cause: error });
  let parsed: ParseResult;
  try {
    parsed = environment.parse(text);
  } catch (error) {
    throw wrong(error);
  }
  const { valid, type, error } = parsed.check();
  if (!valid) throw wrong(error);
  if (type !== 'bool' && type !== 'dyn') {
    throw new SyntaxError(`expected a CEL rule that is true or false, got one of type ${type}`);
  }
  return parsed;
}

/** What is wrong and at which character. */
function placeOf(error: unknown): string {
  const start = rangeOf(error)?.start;
  return `${summaryOf(error)}${start === undefined ? '' : ` (at character ${start + 1})`}`;
}

function rangeOf(error: unknown): { readonly start: number } | undefined {
  return (error as { readonly range?: { readonly start: number } }).range;
}

function summaryOf(error: unknown): string {
  const { summary, message } = error as { readonly summary?: string; readonly message: string };
  return (summary ?? message).slice(0, 300);
}
