/** The key `tags`: defaults that are safe, and mistakes that are named. */
import t, { type Test } from 'tap';
import type { TagsConfig } from '../../src/config/tags.ts';
import { loadText, problemsOf } from '../helpers/config-file.ts';

const HOUR = 3_600_000;

function yaml(tags: string, action = 'reject: no'): string {
  return `policies: [{ name: a, match: "**", ${action}${tags === '' ? '' : `, tags: ${tags}`} }]`;
}

function tagsOf(t: Test, tags: string, action?: string): TagsConfig | undefined {
  return loadText(t, yaml(tags, action)).policies[0]?.tags;
}

t.test(
  'a rule that says nothing of tags follows what is admitted, and goes not back',
  async (t) => {
    t.strictSame(tagsOf(t, ''), {
      refresh: 300_000,
      background: 300_000,
      maxStale: 24 * HOUR,
      onMove: 'follow',
      onUnverifiedMove: 'refuse',
      onRollback: 'hold',
      onDelete: 'purge',
      freeze: false,
      cooldown: 0,
    });
  },
);

t.test('everything can be said', async (t) => {
  const tags =
    '{ refresh: 1m, maxStale: 7d, onMove: hold, onUnverifiedMove: hold, onRollback: refuse, onDelete: keep, freeze: true, cooldown: 72h }';
  t.strictSame(tagsOf(t, tags), {
    refresh: 60_000,
    background: 60_000,
    maxStale: 7 * 24 * HOUR,
    onMove: 'hold',
    onUnverifiedMove: 'hold',
    onRollback: 'refuse',
    onDelete: 'keep',
    freeze: true,
    cooldown: 72 * HOUR,
  });
});

t.test('a rule that accepts anything lets tags go back, unless it says otherwise', async (t) => {
  const anything = 'insecureAcceptAnything: true';
  t.equal(tagsOf(t, '', anything)?.onRollback, 'allow');
  t.equal(tagsOf(t, '{ onRollback: hold }', anything)?.onRollback, 'hold');
});

t.test('an answer is no more than an hour older than refresh says', async (t) => {
  t.equal(tagsOf(t, '{ refresh: 1d, maxStale: 7d }')?.background, HOUR);
  t.equal(tagsOf(t, '{ refresh: 0s }')?.background, 0);
  t.equal(tagsOf(t, '{ refresh: 5m, maxStale: 0s }')?.background, 0);
  t.equal(tagsOf(t, '{ refresh: 5m, maxStale: 6m }')?.background, 60_000);
});

t.test('what is none of the words is named with them', async (t) => {
  for (const [tags, words] of [
    ['{ onMove: keep }', /follow/],
    ['{ onUnverifiedMove: follow }', /hold/],
    ['{ onRollback: follow }', /allow/],
    ['{ onDelete: hold }', /purge/],
    ['{ freeze: yes please }', /true/],
    ['{ cooldown: 3 days }', /duration/],
    ['{ onmove: hold }', /onMove/],
  ] as const) {
    const problems = problemsOf(t, yaml(tags));
    t.equal(problems.length, 1, tags);
    t.match(problems[0], words);
  }
});

t.test(
  'a decision lasts a day unless the rule says otherwise, and no less than a minute',
  async (t) => {
    const rule = (reverify: string): string =>
      `policies: [{ name: a, match: "**", reject: no${reverify} }]`;
    const of = (reverify: string): unknown => loadText(t, rule(reverify)).policies[0]?.reverify;
    t.equal(of(''), 24 * HOUR);
    t.equal(of(', reverify: 1m'), 60_000);
    t.strictSame(problemsOf(t, rule(', reverify: 59s')), [
      '1 policies[0].reverify: expected at least 1m, got 59s',
    ]);
    t.equal(problemsOf(t, rule(', reverify: soon')).length, 1);
  },
);
