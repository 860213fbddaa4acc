/** The age of an attestation is what its signer bound, whatever was stamped onto it later. */
import t from 'tap';
import type { Evidence } from '../../src/policy/evidence.ts';
import { ageOf } from '../../src/policy/statement-age.ts';
import {
  attestation,
  atTime,
  certificateSigner,
  DAY,
  HOUR,
  keySigner,
  NOW,
} from './made-evidence.ts';

const VULN = 'https://cosign.sigstore.dev/attestation/vuln/v1';
const at = (time: number): string => new Date(time).toISOString();
const scanned = (time: unknown): unknown => ({ metadata: { scanFinishedOn: time } });
const signer = keySigner('release');

function age(type: string, predicate: unknown, changes: Partial<Evidence> = {}): string | number {
  const evidence = attestation(type, predicate, changes);
  if (evidence.statement === undefined) throw new Error('no statement');
  const found = ageOf(evidence, evidence.statement, 7 * DAY, NOW);
  return found.fresh ? found.until - NOW : found.because;
}

t.test('is read where the type keeps it', (t) => {
  const time = at(NOW - 2 * DAY);
  const table: readonly (readonly [type: string, predicate: unknown])[] = [
    [VULN, scanned(time)],
    ['https://cosign.sigstore.dev/attestation/v1', { Data: 'x', Timestamp: time }],
    ['https://slsa.dev/provenance/v0.2', { metadata: { buildFinishedOn: time } }],
    [
      'https://slsa.dev/provenance/v1',
      { runDetails: { metadata: { finishedOn: time, startedOn: at(0) } } },
    ],
    ['https://slsa.dev/provenance/v1', { runDetails: { metadata: { startedOn: time } } }],
    ['https://cyclonedx.org/bom', { metadata: { timestamp: time } }],
    ['https://cyclonedx.org/bom/v1.6', { metadata: { timestamp: time } }],
    ['https://spdx.dev/Document/v2.3', { creationInfo: { created: time } }],
    ['https://openvex.dev/ns', { timestamp: at(0), last_updated: time }],
    ['https://openvex.dev/ns', { timestamp: time }],
    [VULN, scanned(time.replace('Z', '+00:00'))],
    [VULN, scanned(time.replace('.000Z', '.123456789Z').replace('.123456789', ''))],
  ];
  for (const [type, predicate] of table) t.equal(age(type, predicate, { signer }), 5 * DAY, type);
  t.end();
});

t.test('the oldest of certificate and predicate counts', (t) => {
  const since = (time: number) => ({ signer: certificateSigner({ notBefore: time }) });
  t.equal(age(VULN, scanned(at(NOW - DAY)), since(NOW - 3 * DAY)), 4 * DAY);
  t.equal(age(VULN, scanned(at(NOW - 3 * DAY)), since(NOW - DAY)), 4 * DAY);
  t.equal(age('https://a.example/t', {}, since(NOW - DAY)), 6 * DAY, 'the certificate alone');
  t.equal(age(VULN, {}, since(NOW - DAY)), 6 * DAY);
  t.match(
    age(VULN, scanned(at(NOW - 9 * DAY)), since(NOW)),
    /^it is 9 days old, the limit is 7 days$/,
  );
  t.match(age(VULN, scanned(at(NOW)), since(NOW - 9 * DAY)), /^it is 9 days old/);
  t.equal(age(VULN, scanned(at(NOW - 7 * DAY)), { signer }), 0, 'on the very edge');
  t.match(age(VULN, scanned(at(NOW - 7 * DAY - 1)), { signer }), /^it is 7 days old/);
  t.end();
});

t.test('a new stamp makes nothing younger', (t) => {
  const times = [atTime('tsa', 'sigstore', NOW), atTime('rekor', 'sigstore', NOW - HOUR)];
  t.match(age(VULN, scanned(at(NOW - 9 * DAY)), { signer, times }), /9 days old/);
  t.match(
    age(VULN, {}, { signer: certificateSigner({ notBefore: NOW - 9 * DAY }), times }),
    /9 days old/,
  );
  t.match(age(VULN, {}, { signer, times }), /neither certificate nor predicate says how old it is/);
  t.end();
});

t.test('what cannot be known is not fresh', (t) => {
  for (const predicate of [{}, null, 'text', [], { metadata: null }, scanned(null), scanned('')]) {
    t.match(
      age(VULN, predicate, { signer }),
      /neither certificate nor predicate/,
      JSON.stringify(predicate),
    );
  }
  for (const time of [
    7,
    {},
    'yesterday',
    '2026-06-01',
    '2026-06-01T00:00:00',
    '2026-13-01T00:00:00Z',
    ' 2026-05-31T00:00:00Z',
  ]) {
    t.match(age(VULN, scanned(time)), /no readable time/, JSON.stringify(time));
  }
  t.match(
    age(VULN, scanned('0001-01-01T00:00:00Z'), { signer }),
    /days old/,
    "Go's zero time is long ago",
  );
  t.match(
    age('https://a.example/t', scanned(at(NOW)), { signer }),
    /neither/,
    'no such time in that type',
  );
  t.end();
});

t.test('what claims to come from the future is not believed', (t) => {
  t.equal(age(VULN, scanned(at(NOW + 300_000)), { signer }), 7 * DAY + 300_000, 'clocks differ');
  t.match(age(VULN, scanned(at(NOW + 300_001)), { signer }), /from the future/);
  t.match(
    age(VULN, scanned(at(NOW + 300_001))),
    /from the future/,
    'whatever the certificate says',
  );
  t.match(age(VULN, {}, { signer: certificateSigner({ notBefore: NOW + 300_001 }) }), /future/);
  t.end();
});
