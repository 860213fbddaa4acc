/** Arguments of the commands about approvals: expiries above all, which are signed. */
import t from 'tap';
import {
  nameOf,
  parseApprovalArguments,
  parseExpiry,
  parseFingerprint,
} from '../../src/cli/approval-arguments.ts';
import { parseReference } from '../../src/oci/reference.ts';

const NOW = Date.UTC(2026, 5, 1, 12);

t.test('reads expiries as people write them', async (t) => {
  const expiries: Readonly<Record<string, string>> = {
    '2026-12-31': '2026-12-31T23:59:59.999Z',
    '2028-02-29': '2028-02-29T23:59:59.999Z',
    '2026-12-31T18:00:00Z': '2026-12-31T18:00:00.000Z',
    '2026-12-31T18:00:00.5+02:00': '2026-12-31T16:00:00.500Z',
    '30d': '2026-07-01T12:00:00.000Z',
    '90m': '2026-06-01T13:30:00.000Z',
    // The day is not over.
    '2026-06-01': '2026-06-01T23:59:59.999Z',
  };
  for (const [text, time] of Object.entries(expiries)) {
    t.equal(new Date(parseExpiry(text, NOW)).toISOString(), time, text);
  }
});

t.test('refuses what is none, and what is over', async (t) => {
  for (const text of [
    '',
    'tomorrow',
    '2026-02-30',
    '2026-13-01',
    '2026-02-30T00:00:00Z',
    '2026-12-31T25:00:00Z',
    '2026-12-31T18:00:00',
    '31.12.2026',
    '1y',
    '-1d',
    'Dec 31 2026',
  ]) {
    t.throws(
      () => parseExpiry(text, NOW),
      { name: 'Mistake', message: /expected --expires to be a day/ },
      text,
    );
  }
  for (const text of ['2026-05-31', '2026-06-01T12:00:00Z', '0s']) {
    t.throws(() => parseExpiry(text, NOW), { name: 'Mistake', message: /to be to come/ }, text);
  }
  t.throws(() => parseExpiry('2226-12-31', NOW), { name: 'Mistake', message: /within 100 years/ });
});

t.test('a command takes its own options alone', async (t) => {
  t.match(parseApprovalArguments('approve', ['--key', 'k', 'a', '-y'], 1), {
    rest: ['a'],
    key: 'k',
    yes: true,
  });
  for (const [command, args, message] of [
    ['approve', ['a', '--reason', 'x'], /"approve" takes no --reason/],
    ['revoke', ['a', '--key', 'x'], /"revoke" takes no --key/],
    ['approvals list', ['--yes'], /takes no --yes/],
    ['approve', ['a', '--frobnicate'], /--frobnicate/],
    ['approve', ['a', '--key'], /--key/],
    ['approve', [], /expected 1 argument after "approve", got 0/],
    ['approve', ['a', 'b'], /got 2/],
  ] as const) {
    t.throws(() => parseApprovalArguments(command, args, 1), { name: 'Mistake', message });
  }
});

t.test('a digest keeps the tag that it was written behind', async (t) => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const name = (text: string) => nameOf(text, parseReference(text));
  t.equal(name('alpine'), 'docker.io/library/alpine:latest');
  t.equal(name(`alpine:3@${digest}`), `docker.io/library/alpine:3@${digest}`);
  t.equal(name(`localhost:5000/a@${digest}`), `localhost:5000/a@${digest}`);
});

t.test('a fingerprint is one with or without its algorithm', async (t) => {
  const hex = 'b'.repeat(64);
  t.equal(parseFingerprint(hex), `sha256:${hex}`);
  t.equal(parseFingerprint(`sha256:${hex}`), `sha256:${hex}`);
  for (const text of ['', 'All', hex.slice(1), `SHA256:${hex}`]) {
    t.throws(() => parseFingerprint(text), { name: 'Mistake', message: /--key-fingerprint/ }, text);
  }
});
