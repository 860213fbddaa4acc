/** Predicate types: cosign's short names, URIs, and nothing that merely looks like one. */
import t from 'tap';
import { isPredicateType, parsePredicateType } from '../../src/policy/predicate-type.ts';

const NAMES: readonly (readonly [name: string, uri: string])[] = [
  ['custom', 'https://cosign.sigstore.dev/attestation/v1'],
  ['slsaprovenance', 'https://slsa.dev/provenance/v0.2'],
  ['slsaprovenance02', 'https://slsa.dev/provenance/v0.2'],
  ['slsaprovenance1', 'https://slsa.dev/provenance/v1'],
  ['spdx', 'https://spdx.dev/Document'],
  ['spdxjson', 'https://spdx.dev/Document'],
  ['cyclonedx', 'https://cyclonedx.org/bom'],
  ['link', 'https://in-toto.io/Link/v1'],
  ['vuln', 'https://cosign.sigstore.dev/attestation/vuln/v1'],
  ['openvex', 'https://openvex.dev/ns'],
];

t.test("knows cosign's names", (t) => {
  for (const [name, uri] of NAMES) {
    const type = parsePredicateType(name);
    for (const [, other] of NAMES)
      t.equal(isPredicateType(type, other), other === uri, `${name}: ${other}`);
  }
  t.end();
});

t.test('leaves the version of a document format open, and no other', (t) => {
  const is = (name: string, uri: string): boolean => isPredicateType(parsePredicateType(name), uri);
  t.ok(is('spdx', 'https://spdx.dev/Document/v2.3'));
  t.ok(is('cyclonedx', 'https://cyclonedx.org/bom/v1.6'));
  t.ok(is('openvex', 'https://openvex.dev/ns@v0.2.0'));
  for (const [name, uri] of [
    ['spdx', 'https://spdx.dev/Document/'],
    ['spdx', 'https://spdx.dev/Documentation'],
    ['spdx', 'https://spdx.dev/Document/v2.3/x'],
    ['spdx', 'https://spdx.dev/Document/v2.3/v2.3'],
    ['spdx', 'https://spdx.dev/Document/vX'],
    ['spdx', 'http://spdx.dev/Document'],
    ['spdx', 'HTTPS://spdx.dev/Document'],
    ['spdx', ''],
    ['slsaprovenance1', 'https://slsa.dev/provenance/v1.1'],
    ['slsaprovenance1', 'https://slsa.dev/provenance/v1/v1'],
    ['vuln', 'https://cosign.sigstore.dev/attestation/vuln/v2'],
    ['vuln', 'https://cosign.sigstore.dev/attestation/vuln'],
    ['https://spdx.dev/Document', 'https://spdx.dev/Document/v2.3'],
    ['https://a.example/t', 'https://a.example/t/v1'],
  ] as const) {
    t.notOk(is(name, uri), `${name}: ${uri}`);
  }
  t.ok(is('https://a.example/t', 'https://a.example/t'));
  t.end();
});

t.test('refuses what is neither name nor URI', (t) => {
  for (const name of [
    '',
    'slsa',
    'provenance1',
    'slsa.dev/provenance/v1',
    'SPDX',
    'https://a b',
    '://x',
    '__proto__',
  ]) {
    t.throws(
      () => parsePredicateType(name),
      { name: 'SyntaxError', message: /expected a predicate type \(custom/ },
      name,
    );
  }
  t.end();
});
