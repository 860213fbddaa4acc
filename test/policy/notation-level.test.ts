/** Levels: what each enforces, and what may be overridden. */
import t from 'tap';
import { parseLevel } from '../../src/policy/notation-level.ts';

const actions = (name: unknown, override?: unknown): readonly string[] => {
  const { authenticity, authenticTimestamp, expiry, revocation } = parseLevel(name, override);
  return [authenticity, authenticTimestamp, expiry, revocation];
};

t.test('each level enforces what the specification says', (t) => {
  t.strictSame(actions('strict'), ['enforce', 'enforce', 'enforce', 'enforce']);
  t.strictSame(actions('permissive'), ['enforce', 'log', 'log', 'log']);
  t.strictSame(actions('audit'), ['log', 'log', 'log', 'log']);
  for (const name of ['skip', 'Strict', '', 'toString', undefined, null, 1]) {
    t.throws(() => parseLevel(name), /expected the level strict, permissive or audit/);
  }
  t.end();
});

t.test('an override changes the named checks and no others', (t) => {
  t.strictSame(actions('strict', { expiry: 'log' }), ['enforce', 'enforce', 'log', 'enforce']);
  t.strictSame(actions('strict', { revocation: 'skip' }), [
    'enforce',
    'enforce',
    'enforce',
    'skip',
  ]);
  t.strictSame(actions('audit', { authenticity: 'enforce', authenticTimestamp: 'enforce' }), [
    'enforce',
    'enforce',
    'log',
    'log',
  ]);
  t.strictSame(actions('strict', {}), actions('strict'));
  t.strictSame(
    actions('strict'),
    ['enforce', 'enforce', 'enforce', 'enforce'],
    'and no other rule',
  );
  t.end();
});

t.test('what may not be overridden is refused', (t) => {
  t.throws(() => parseLevel('strict', { integrity: 'log' }), /no override of integrity/);
  t.throws(() => parseLevel('strict', { integrity: 'enforce' }), /no override of integrity/);
  t.throws(() => parseLevel('strict', { authenticity: 'skip' }), /override\.authenticity/);
  t.throws(() => parseLevel('strict', { expiry: 'skip' }), /override\.expiry/);
  t.throws(() => parseLevel('strict', { authenticTimestamp: 'skip' }), /authenticTimestamp/);
  t.throws(() => parseLevel('strict', { revocation: 'Log' }), /override\.revocation/);
  t.throws(() => parseLevel('strict', { revocation: true }), /override\.revocation/);
  t.throws(() => parseLevel('strict', { Expiry: 'log' }), /unknown check "Expiry".*expiry/);
  for (const override of [null, [], 'log']) {
    t.throws(() => parseLevel('strict', override), /override to be an object/);
  }
  t.end();
});
