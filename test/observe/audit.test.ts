/** One line for each decision. */
import fc from 'fast-check';
import t from 'tap';
import { createAudit, type AuditDecision, type AuditRequest } from '../../src/observe/audit.ts';

type AuditEntry = AuditRequest & AuditDecision;

const entry: AuditEntry = {
  client: '10.0.0.7',
  method: 'GET',
  asked: '/v2/ghcr.io/team/app/manifests/1.0',
  reference: 'ghcr.io/team/app:1.0',
  digest: `sha256:${'a'.repeat(64)}`,
  rule: 'our releases',
  outcome: 'admitted',
  signers: ['key release-keys'],
  reasons: [],
  cached: 'memory',
  durationMs: 0.123456,
};

/** The line that an entry becomes. */
function lineOf(change: Partial<AuditEntry>): string {
  const lines: string[] = [];
  const whole = { ...entry, ...change };
  createAudit({ write: (line) => lines.push(line) }, () => 1_800_000_000_000)(whole, whole);
  return lines.join('');
}

t.test('a decision is one line with everything that is known', async (t) => {
  const line = lineOf({});
  t.match(line, /^[^\n]*\n$/);
  t.strictSame(JSON.parse(line), {
    level: 'info',
    time: 1_800_000_000_000,
    msg: 'decision',
    ...entry,
    durationMs: 0.123,
  });
});

t.test('a decision that is told again has the words of each request', async (t) => {
  const lines: string[] = [];
  let now = 1;
  const audit = createAudit({ write: (line) => lines.push(line) }, () => now++);
  audit(entry, entry);
  audit({ client: '10.0.0.8', method: 'HEAD', asked: '/v2/x', durationMs: 7 }, entry);
  const [first, second] = lines.map((line) => JSON.parse(line) as object);
  t.match(first, { time: 1, client: '10.0.0.7', method: 'GET', durationMs: 0.123 });
  t.strictSame(second, {
    ...first,
    ...{ time: 2, client: '10.0.0.8', method: 'HEAD', asked: '/v2/x', durationMs: 7 },
  });
});

t.test('what is not known is left out', async (t) => {
  const line = lineOf({ digest: undefined, rule: undefined, outcome: 'denied' });
  t.notMatch(line, /digest|rule/);
});

t.test('long texts and lists are cut, and say so', async (t) => {
  const reasons = Array.from({ length: 64 }, (_, index) => `reason ${index} ${'x'.repeat(5000)}`);
  const line = lineOf({ asked: 'y'.repeat(100_000), reasons });
  t.ok(line.length < 20_000);
  const parsed = JSON.parse(line) as AuditEntry;
  t.ok(parsed.asked.endsWith('y…'));
  t.equal(parsed.reasons.length, 17);
  t.equal(parsed.reasons.at(-1), '… and 48 more');
});

t.test('no text of a client can forge a line or steer a terminal', async (t) => {
  // Everything a terminal or a line reader gives a meaning to, unescaped.
  const dangerous = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
  const steering = [
    '\n',
    '\r',
    '\u0000',
    '\u001b',
    '\u007f',
    '\u009b',
    '\u2028',
    '\u202e',
    '\u2066',
    '\ud800',
    '"',
    '\\',
  ];
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.oneof(
          fc.constantFrom(...steering),
          fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
        ),
      }),
      (text) => {
        const line = lineOf({
          asked: text,
          client: text,
          rule: text,
          reasons: [text],
          signers: [text],
        });
        if (!line.endsWith('\n') || dangerous.test(line.slice(0, -1))) throw new Error(line);
        JSON.parse(line);
      },
    ),
  );
  t.match(lineOf({ asked: '\u001b[2J\n\u009b2J\u202e' }), String.raw`\u001b[2J\n`);
});
