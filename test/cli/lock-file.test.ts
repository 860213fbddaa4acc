/** The lock file: the same tags are the same text, and anything else is a mistake that is named. */
import fc from 'fast-check';
import t from 'tap';
import { formatLockFile, parseLockFile, type LockedTag } from '../../src/cli/lock-file.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseReference } from '../../src/oci/reference.ts';

const A = digestOf(Buffer.from('a'));
const B = digestOf(Buffer.from('b'));

function parse(text: string): readonly LockedTag[] {
  return parseLockFile(text, (reference) => {
    const { repository, tag = 'none' } = parseReference(reference);
    return { repository, tag };
  });
}

function locked(reference: string, digest: typeof A): LockedTag {
  const { repository, tag = '' } = parseReference(reference);
  return { repository, tag, digest };
}

const TAGS = [locked('docker.io/alpine:3', A), locked('ghcr.io/my-org/app:v1', B)] as const;

t.test('tags are sorted lines, whatever order they come in', async (t) => {
  const text = formatLockFile(TAGS);
  t.equal(formatLockFile(TAGS.toReversed()), text);
  t.strictSame(text.split('\n'), [
    '# What tags mean, for `countersign pins import` and `countersign pins diff`.',
    'version: 1',
    'pins:',
    `  docker.io/library/alpine:3: ${A}`,
    `  ghcr.io/my-org/app:v1: ${B}`,
    '',
  ]);
});

t.test('what was written is read', async (t) => {
  t.strictSame(parse(formatLockFile(TAGS)), TAGS);
  t.strictSame(parse(formatLockFile([])), []);
  const brackets = locked('[::1]:5000/team/app:v1', A);
  t.strictSame(parse(formatLockFile([brackets])), [brackets]);
});

t.test('names are read as people write them, and JSON too', async (t) => {
  const [alpine] = TAGS;
  t.strictSame(parse(JSON.stringify({ version: 1, pins: { 'alpine:3': A } })), [alpine]);
});

const MISTAKES: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'not YAML': ['{', /expected YAML/],
  'no mapping': ['- a', /expected a mapping/],
  nothing: ['', /expected a mapping/],
  'another version': ['version: 2\npins: {}', /expected version: 1, got 2/],
  'another key': ['version: 1\npins: {}\nextra: 1', /unknown key "extra"/],
  'no pins': ['version: 1', /expected pins/],
  'a short digest': [
    'version: 1\npins: { "alpine:3": "sha256:00" }',
    /alpine:3: expected a digest/,
  ],
  'no digest': ['version: 1\npins: { "alpine:3": 3 }', /expected a digest, got 3/],
  'a name that is none': [`version: 1\npins: { "UPPER": "${A}" }`, /UPPER/],
  'one tag under two names': [
    `version: 1\npins: { "alpine:3": "${A}", "docker.io/library/alpine:3": "${B}" }`,
    /alpine:3 is there twice/,
  ],
  'one name twice': [`version: 1\npins:\n  "alpine:3": ${A}\n  "alpine:3": ${B}`, /expected YAML/],
  'an alias': [`version: &v 1\npins: { a: *v }`, /alias/i],
  "an attachment's tag": [
    `version: 1\npins: { "alpine:${A.replace(':', '-')}.sig": "${A}" }`,
    /cannot be locked/,
  ],
};

for (const [what, [text, message]] of Object.entries(MISTAKES)) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(() => parse(text), { name: 'SyntaxError', message });
  });
}

t.test('no text is more than a mistake', async (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        return Array.isArray(parse(text));
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
  );
  t.pass();
});
