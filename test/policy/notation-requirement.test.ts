/** Requirements of Notation signatures: what is enforced fails, what is logged is told. */
import t from 'tap';
import { parseDigest } from '../../src/oci/digest.ts';
import type { NotationFacts } from '../../src/policy/notation-facts.ts';
import {
  describeNotation,
  judgeNotation,
  parseNotation,
  type NotationSpec,
} from '../../src/policy/notation-requirement.ts';

const VENDOR = 'x509.subject: C=DE, ST=BY, O=Vendor';
const SPEC: NotationSpec = { trustRoot: 'vendor', identities: [VENDOR] };
const OK = { ok: true } as const;
const failed = (reason: string) => ({ ok: false, reason }) as const;
const FACTS: NotationFacts = {
  envelope: 'jws',
  scheme: 'notary.x509',
  subject: [
    [{ type: 'C', value: 'DE' }],
    [{ type: 'ST', value: 'BY' }],
    [{ type: 'O', value: 'Vendor' }],
  ],
  subjectText: 'C=DE, ST=BY, O=Vendor',
  fingerprint: parseDigest(`sha256:${'a'.repeat(64)}`),
  keyFingerprint: parseDigest(`sha256:${'b'.repeat(64)}`),
  signingTime: 0,
  annotations: new Map([['build', '7']]),
  authenticity: OK,
  timestamp: { always: OK, afterCertExpiry: OK },
  expiry: OK,
  revocation: OK,
};
const judge = (spec: Partial<NotationSpec>, facts: Partial<NotationFacts> = {}) =>
  judgeNotation(parseNotation({ ...SPEC, ...spec }), { ...FACTS, ...facts });
const STRANGER = { subject: [[{ type: 'O', value: 'Evil' }]], subjectText: 'O=Evil' };

t.test('facts that all hold satisfy every level', (t) => {
  for (const level of ['strict', 'permissive', 'audit'] as const) {
    t.strictSame(judge({ level }), { satisfied: true, warnings: [] });
  }
  t.end();
});

t.test('strict, which is the level unless told, enforces every check', (t) => {
  const refused: readonly (readonly [string, Partial<NotationFacts>, RegExp])[] = [
    ['authenticity', { authenticity: failed('no store') }, /no store/],
    ['identity', STRANGER, /signed by O=Evil, who is none of the trusted identities/],
    ['expiry', { expiry: failed('over') }, /over/],
    [
      'authenticTimestamp',
      { timestamp: { always: failed('no stamp'), afterCertExpiry: OK } },
      /no stamp/,
    ],
    ['revocation', { revocation: failed('revoked') }, /revoked/],
    ['revocation', { revocation: 'not-checked' }, /nobody was asked/],
  ];
  for (const [check, facts, reason] of refused) {
    t.match(judge({}, facts), { satisfied: false, check, reason }, check);
  }
  t.end();
});

t.test('somebody out of reach is what a signature waits for, unless it fails anyhow', (t) => {
  const away = { ...failed('no answer'), unreachable: true } as const;
  const waiting = { satisfied: false, check: 'revocation', reason: 'no answer', unreachable: true };
  t.strictSame(judge({}, { revocation: away }), waiting);
  t.strictSame(judge({ annotations: { build: '7' } }, { revocation: away }), waiting);
  const stamped = { timestamp: { always: away, afterCertExpiry: OK }, revocation: away };
  t.match(judge({}, stamped), { check: 'authenticTimestamp', unreachable: true });
  const anyhow: readonly (readonly [string, Partial<NotationSpec>, Partial<NotationFacts>])[] = [
    ['revocation', {}, { timestamp: stamped.timestamp, revocation: failed('revoked') }],
    ['annotations', { annotations: { build: '8' } }, { revocation: away }],
    ['identity', {}, { ...STRANGER, revocation: away }],
  ];
  for (const [check, spec, facts] of anyhow) {
    const judged = judge(spec, facts);
    t.match(judged, { satisfied: false, check });
    t.notOk('unreachable' in judged, check);
  }
  t.strictSame(judge({ override: { revocation: 'log' } }, { revocation: away }), {
    satisfied: true,
    warnings: ['revocation: no answer'],
  });
  t.end();
});

t.test('permissive and audit tell what they do not enforce', (t) => {
  const facts = {
    expiry: failed('over'),
    timestamp: { always: failed('no stamp'), afterCertExpiry: OK },
    revocation: failed('revoked'),
  };
  const told = ['expiry: over', 'authenticTimestamp: no stamp', 'revocation: revoked'];
  t.strictSame(judge({ level: 'permissive' }, facts), { satisfied: true, warnings: told });
  t.match(judge({ level: 'permissive' }, { authenticity: failed('no store') }), {
    check: 'authenticity',
  });
  t.match(judge({ level: 'permissive' }, STRANGER), { check: 'identity' });
  t.strictSame(judge({ level: 'audit' }, { ...STRANGER, authenticity: failed('no store') }), {
    satisfied: true,
    warnings: [
      'authenticity: no store',
      'identity: signed by O=Evil, who is none of the trusted identities',
    ],
  });
  t.strictSame(
    judge({ override: { revocation: 'skip' } }, { revocation: 'not-checked' }),
    { satisfied: true, warnings: [] },
    'a skipped check leaves no warning',
  );
  t.end();
});

t.test('the way to ask for timestamps decides which answer counts', (t) => {
  const timestamp = { always: failed('none'), afterCertExpiry: OK };
  t.match(judge({ timestamps: 'always' }, { timestamp }), { check: 'authenticTimestamp' });
  t.match(judge({}, { timestamp }), { check: 'authenticTimestamp' }, 'always unless told');
  t.match(judge({ timestamps: 'afterCertificateExpiry' }, { timestamp }), { satisfied: true });
  const late = { always: OK, afterCertExpiry: failed('late') };
  t.match(judge({ timestamps: 'afterCertificateExpiry' }, { timestamp: late }), {
    satisfied: false,
    reason: 'late',
  });
  t.end();
});

t.test('user metadata is demanded whatever the level', (t) => {
  t.match(judge({ annotations: { build: '7' } }), { satisfied: true });
  t.match(judge({ level: 'audit', annotations: { build: '8' } }), {
    check: 'annotations',
    reason: /"build" to be "8", got "7"/,
  });
  t.match(judge({ level: 'audit', annotations: { build: '7', io: 'x' } }), {
    check: 'annotations',
    reason: /"io" to be "x", got none/,
  });
  t.match(judge({ annotations: { toString: 'x' } }), { check: 'annotations' });
  t.end();
});

t.test('a requirement that nobody could mean is refused', (t) => {
  t.throws(() => judge({ identities: [] }), /at least one/);
  t.throws(() => judge({ identities: ['arn:a'] }), /nobody could be meant/);
  t.throws(() => judge({ identities: [VENDOR, VENDOR] }), /overlap/);
  t.throws(() => judge({ annotations: { 'io.cncf.notary.x': 'y' } }), /reserved/);
  t.throws(
    () => judge({ annotations: Object.fromEntries([...Array(65).keys()].map((n) => [n, ''])) }),
    /at most 64 annotations/,
  );
  t.end();
});

t.test('a requirement is told in a few words', (t) => {
  const told = (...identities: string[]): string =>
    describeNotation(parseNotation({ ...SPEC, identities }));
  t.equal(told(VENDOR), `notation by ${VENDOR} of vendor`);
  t.equal(told('*'), 'notation by anybody of vendor');
  t.equal(
    told(`${VENDOR},OU=a`, `${VENDOR},OU=b`, `${VENDOR},OU=c`),
    `notation by ${VENDOR},OU=a or ${VENDOR},OU=b or 1 others of vendor`,
  );
  t.end();
});
