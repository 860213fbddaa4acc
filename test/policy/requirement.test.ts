/** Requirements as the configuration spells them: none of them demands nothing. */
import t from 'tap';
import {
  describeRequirement,
  leavesOf,
  parseRequirement,
  type RequirementSpec,
} from '../../src/policy/requirement.ts';

const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });

t.test('reads leaves and combinations, nested as one likes', (t) => {
  t.same(parseRequirement(key('a')), { kind: 'key', trustRoot: 'a' });
  const requirement = parseRequirement({
    allOf: [
      key('a'),
      { anyOf: [key('b'), { atLeast: { count: 2, of: [key('c'), key('d'), key('a')] } }] },
    ],
  });
  t.match(requirement, {
    kind: 'allOf',
    count: 2,
    of: [{ kind: 'key' }, { kind: 'anyOf', count: 1, of: [{}, { kind: 'atLeast', count: 2 }] }],
  });
  t.same(
    leavesOf(requirement).map((leaf) => leaf.trustRoot),
    ['a', 'b', 'c', 'd', 'a'],
  );
  t.equal(
    describeRequirement(requirement),
    'all of (key a, any of (key b, 2 of (key c, key d, key a)))',
  );
  t.end();
});

t.test('refuses a combination that demands nothing or what cannot be', (t) => {
  const of = [key('a'), key('b')];
  const wrong: readonly RequirementSpec[] = [
    { allOf: [] },
    { anyOf: [] },
    { atLeast: { count: 1, of: [] } },
    ...[0, -1, 3, 1.5, NaN, Infinity].map((count) => ({ atLeast: { count, of } })),
    { anyOf: [key('a'), { allOf: [] }] },
  ];
  for (const spec of wrong)
    t.throws(() => parseRequirement(spec), SyntaxError, JSON.stringify(spec));
  t.end();
});
