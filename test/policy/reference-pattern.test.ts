/** Patterns of images that stay: repositories, tags, digests. */
import t from 'tap';
import { parseReferencePattern } from '../../src/policy/reference-pattern.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const OTHER = `sha256:${'cd'.repeat(32)}`;

t.test('matches canonical references', (t) => {
  for (const [pattern, matching, others] of [
    [
      'lab.local/base/**',
      ['lab.local/base/os:1', `lab.local/base/a/b@${DIGEST}`],
      ['lab.local/other:1', 'elsewhere.local/base/os:1', 'lab.local/base:1'],
    ],
    [
      'alpine.example/alpine:3.*',
      ['alpine.example/alpine:3.20', 'alpine.example/alpine:3.'],
      [
        'alpine.example/alpine:13.20',
        `alpine.example/alpine@${DIGEST}`,
        'alpine.example/b/alpine:3.1',
      ],
    ],
    ['docker.io/alpine:3', ['docker.io/library/alpine:3'], ['docker.io/library/alpine:3.1']],
    ['lab.local:5000/team/*:v1', ['lab.local:5000/team/app:v1'], ['lab.local:5000/team/app:v10']],
    [
      'lab.local:5000/team/app',
      ['lab.local:5000/team/app:v1', `lab.local:5000/team/app@${DIGEST}`],
      [],
    ],
    [
      `lab.local/**@${DIGEST}`,
      [`lab.local/a/b@${DIGEST}`],
      [`lab.local/a@${OTHER}`, 'lab.local/a:1'],
    ],
    ['**', ['lab.local/a:1', `lab.local/a@${DIGEST}`], []],
  ] as const) {
    const compiled = parseReferencePattern(pattern);
    for (const reference of matching) t.ok(compiled.matches(reference), `${pattern} ${reference}`);
    for (const reference of others)
      t.notOk(compiled.matches(reference), `not ${pattern} ${reference}`);
  }
  t.end();
});

t.test('refuses what is no pattern', (t) => {
  for (const [text, words] of [
    ['lab.local/app:', /expected a tag/],
    ['lab.local/app:a b', /expected a tag/],
    ['lab.local/app@sha256:ab', /expected a digest after @/],
    ['lab.local/app:1@sha256:ab', /no tag or digest in a pattern|expected a digest/],
    ['alpine', /expected a pattern such as/],
    ['lab.local/App', /lower-case/],
    ['', /expected a pattern such as/],
  ] as const) {
    t.throws(() => parseReferencePattern(text), words, text);
  }
  t.end();
});
