/** Pins in words. */
import t from 'tap';
import { describePin, pinTree } from '../../src/cli/pin-text.ts';
import { drawTree } from '../../src/cli/tree.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';

const [A, B] = [digestOf(Buffer.from('a')), digestOf(Buffer.from('b'))];
const key = { repository: parseRepository('lab.local', 'app'), tag: 'v1' };
const pin = { ...key, digest: A, checkedAt: 2000, since: 1000 };
const withheld = { digest: B, why: 'rollback', reason: 'the tag left it', refused: false };

t.test('a pin is one line, with what is to be known of it', async (t) => {
  const since = `lab.local/app:v1  ${A}  since 1970-01-01T00:00:01.000Z`;
  t.equal(describePin({ ...key, pin }), since);
  t.equal(describePin({ ...key, pin: { ...pin, withheld } }), `${since}  (held: rollback)`);
  const refused = { ...pin, withheld: { ...withheld, refused: true } };
  t.equal(describePin({ ...key, pin: refused }), `${since}  (refused: rollback)`);
  const order = { frozen: true, digest: B };
  t.match(describePin({ ...key, pin, order }), `${B}  since`);
  t.match(describePin({ ...key, pin, order }), '(frozen, not pulled since)');
  const allowed = { frozen: false, rollback: B };
  t.match(describePin({ ...key, pin, order: allowed }), `(may go back to ${B})`);
  t.equal(
    describePin({ ...key, order: { frozen: true } }),
    'lab.local/app:v1  no digest yet  (frozen)',
  );
});

t.test('a tree tells the history', async (t) => {
  const history = [
    { digest: A, firstSeen: 500, admittedAt: 1000, evidence: 'key a', signedAt: 0 },
    { digest: B, firstSeen: 0, evidence: '', leftAt: 1000 },
  ];
  t.strictSame(drawTree(pinTree({ ...key, pin: { ...pin, withheld } }, history)), [
    'lab.local/app:v1',
    `├─ digest      ${A}  (held: rollback)`,
    '├─ since       1970-01-01T00:00:01.000Z',
    '├─ asked       1970-01-01T00:00:02.000Z',
    `├─ upstream    ${B}, held back`,
    '│  └─ the tag left it',
    '└─ history     2',
    `   ├─ ${A}`,
    '   │  └─ signed 1970-01-01T00:00:00.000Z, first seen 1970-01-01T00:00:00.500Z, admitted 1970-01-01T00:00:01.000Z, key a',
    `   └─ ${B}`,
    '      └─ first seen 1970-01-01T00:00:00.000Z, never admitted, left 1970-01-01T00:00:01.000Z',
  ]);
  t.match(drawTree(pinTree(key, [])), ['lab.local/app:v1', '├─ digest      none yet', /none/]);
});
