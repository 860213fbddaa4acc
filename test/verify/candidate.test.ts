/** What goes wrong inside a check is a rejection: CVE-2026-39395. */
import t from 'tap';
import { rejecting } from '../../src/verify/candidate.ts';

t.test('a check that throws anything rejects, and tells only what is ours to tell', (t) => {
  const thrown: readonly (readonly [unknown, string])[] = [
    [new SyntaxError('expected this, got that'), 'expected this, got that'],
    [
      new TypeError("cannot read properties of undefined (reading 'x')"),
      'the signature could not be read',
    ],
    [new RangeError('out of range'), 'the signature could not be read'],
    ['text', 'the signature could not be read'],
    [undefined, 'the signature could not be read'],
  ];
  for (const [error, reason] of thrown) {
    t.same(
      rejecting(() => {
        throw error;
      }),
      { outcome: 'rejected', fault: 'invalid', reason },
    );
  }
  t.same(
    rejecting(() => ({ outcome: 'verified', evidence: [] })),
    { outcome: 'verified', evidence: [] },
  );
  t.end();
});
