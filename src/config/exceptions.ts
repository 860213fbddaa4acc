/** The section `exceptions`: digests that a rule admits for a time although its signatures do not do. */
import { isDigest } from '../oci/digest.ts';
import type { ExceptionConfig, RuleConfig } from './config.ts';
import type { NodePath } from './problem.ts';
import type { RawException } from './raw.ts';
import type { Section } from './section.ts';
import type { Source } from './source.ts';
import { suggest } from './suggest.ts';

/** Reads those of all files; mistakes are reported to the file that has them. @param rules of all files as well. */
export function readExceptions(
  sources: readonly Source[],
  rules: readonly RuleConfig[],
): readonly ExceptionConfig[] {
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  const firsts = new Map<string, { readonly source: Source; readonly path: NodePath }>();
  return sources.flatMap((source) =>
    source.raw.exceptions.flatMap((raw, index) => {
      const path = ['exceptions', index];
      const { section } = source;
      const name = `${raw.digest} ${raw.rule}`;
      const first = firsts.get(name);
      if (first === undefined) firsts.set(name, { source, path });
      else {
        const where = first.source === source ? '' : ` at ${first.source.placeOf(first.path)}`;
        const twin = `exceptions[${first.path.at(-1) ?? 0}]${where}`;
        section.report(path, `${twin} is about the same digest under the same rule`);
      }
      return readException(section, path, raw, byName);
    }),
  );
}

function readException(
  section: Section,
  path: NodePath,
  raw: RawException,
  rules: ReadonlyMap<string, RuleConfig>,
): readonly ExceptionConfig[] {
  const { digest, rule } = raw;
  checkRule(section, [...path, 'rule'], rule, rules);
  const reason = raw.reason.trim();
  if (reason === '') section.report([...path, 'reason'], 'expected a reason, got only space');
  const expires = readEnd(section, [...path, 'expires'], raw.expires);
  if (!isDigest(digest)) {
    section.report(
      [...path, 'digest'],
      `expected a whole digest, sha256: and 64 characters of 0-9 and a-f (or sha512: and 128), got ${JSON.stringify(digest.slice(0, 160))}`,
    );
  }
  return isDigest(digest) && expires !== undefined ? [{ digest, rule, reason, expires }] : [];
}

function checkRule(
  section: Section,
  path: NodePath,
  name: string,
  rules: ReadonlyMap<string, RuleConfig>,
): void {
  const rule = rules.get(name);
  const quoted = JSON.stringify(name);
  if (rule === undefined) {
    const hint = rules.size === 0 ? ': there are no rules' : suggest(name, rules.keys());
    section.report(path, `unknown rule ${quoted}${hint}`);
  } else if (rule.reject !== undefined) {
    section.report(
      path,
      `rule ${quoted} rejects whatever it matches and asks for no signatures, so it can have no exception: put a rule for the repository before it`,
    );
  } else if (rule.insecureAcceptAnything !== undefined) {
    section.report(path, `rule ${quoted} accepts anything, so it needs no exception`);
  }
}

const DAY = 86_400_000;

/** Milliseconds since the epoch; of a day its end, UTC. */
function readEnd(section: Section, path: NodePath, text: string): number | undefined {
  const [, day = '', time] =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})))?$/i.exec(
      text,
    ) ?? [];
  const midnight = Date.parse(day);
  // Some readers take the 30th of February for the 2nd of March.
  const isDay = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(day);
  const end = time === undefined ? midnight + DAY : Date.parse(`${day}T${time.toUpperCase()}`);
  if (isDay && !Number.isNaN(end)) return end;
  section.report(
    path,
    `expected a day of the calendar or a time with its zone, such as 2027-01-31 or 2027-01-31T18:00:00Z, got ${JSON.stringify(text.slice(0, 80))}`,
  );
  return undefined;
}
