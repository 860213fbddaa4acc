/** Notation's trust roots and requirements: files as they are read, a folder of Notation's own, and what is said about mistakes. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { inspectRules } from '../../src/app/rules.ts';
import { readTrustRoot } from '../../src/app/trust-roots.ts';
import { loadConfig } from '../../src/config/load.ts';
import { parsePolicy } from '../../src/policy/rule.ts';
import { loadText, problemsOf } from '../helpers/config-file.ts';
import { issueNotationAuthority } from '../helpers/notation/certificate.ts';
import { policyText, skipping, STATEMENT } from '../helpers/notation/folder.ts';

const root = issueNotationAuthority('root');
const CA = { 'ca.pem': root.pem };
const FOLDER = {
  'notation/trustpolicy.json': policyText(STATEMENT),
  'notation/truststore/x509/ca/vendor/root.pem': root.pem,
};
const ROOT = 'corp: { notation: { configDir: ./notation } }';

const yamlOf = (roots: string, notation: string) => `trustRoots:
  ${roots}
policies:
  - name: a
    match: a.example/**
    require:
      notation: ${notation}
`;
const problems = (
  t: Test,
  roots: string,
  notation: string,
  files: Record<string, string> = FOLDER,
) =>
  problemsOf(t, yamlOf(roots, notation), { files, inspect: inspectRules }).map((problem) =>
    problem.replaceAll(/\/\S*\/(?=notation)/g, 'DIR/'),
  );

t.test('certificates are read with the configuration, as bytes', async (t) => {
  const yaml = yamlOf(
    'corp: { notation: { ca: [ca.pem], privateHosts: [ocsp.example] } }',
    '{ trustRoot: corp, identities: ["*"] }',
  );
  const config = loadText(t, yaml, { files: CA, inspect: inspectRules });
  const [corp] = config.trustRoots;
  t.match(corp, { kind: 'notation', privateHosts: ['ocsp.example'] });
  t.ok(corp?.kind === 'notation' && corp.ca?.[0]?.bytes.equals(Buffer.from(root.pem)));
});

t.test('a folder of its own is read at once, and read again with the configuration', async (t) => {
  const yaml = yamlOf(ROOT, '{ trustRoot: corp, annotations: { stage: production } }');
  const config = loadText(t, yaml, { files: FOLDER, inspect: inspectRules });
  const folder = join(config.file, '../notation');
  const [before] = config.trustRoots.map(readTrustRoot);
  t.match(before, { kind: 'notation-policy', name: 'corp', warnings: [] });
  const again = loadConfig(config.file, { env: {} }).trustRoots;
  t.same(again, config.trustRoots, 'the same folder is the same');
  writeFileSync(join(folder, 'trustpolicy.json'), policyText(STATEMENT, skipping('a.example/b')));
  rmSync(join(folder, 'truststore'), { recursive: true });
  const [kept] = config.trustRoots.map(readTrustRoot);
  t.equal(kept?.id, before?.id, 'what was checked is what is used');
  t.throws(() => loadConfig(config.file, { env: {}, inspect: inspectRules }), /found none/);
});

t.test('other content of the folder is another key of its rules', async (t) => {
  const yaml = yamlOf(ROOT, '{ trustRoot: corp }');
  const keyOf = (files: Record<string, string>): string | undefined => {
    const { trustRoots, policies } = loadText(t, yaml, { files });
    const roots = new Map(trustRoots.map((one) => [one.name, readTrustRoot(one)]));
    return parsePolicy(policies, roots).rules[0]?.key;
  };
  const other = {
    ...FOLDER,
    'notation/trustpolicy.json': policyText(STATEMENT, skipping('a.example/b')),
  };
  const stranger = issueNotationAuthority('root').pem;
  const keys = [
    keyOf(FOLDER),
    keyOf(other),
    keyOf({ ...FOLDER, 'notation/truststore/x509/ca/vendor/root.pem': stranger }),
  ];
  t.equal(new Set(keys).size, 3);
  t.equal(keyOf(FOLDER), keys[0]);
});

t.test(
  'beside a folder of its own there are no stores, and its policy says the rest',
  async (t) => {
    const roots = 'corp: { notation: { configDir: ./notation, ca: [ca.pem], tsa: [ca.pem] } }';
    const because = 'has no meaning beside configDir: the trust stores are in that folder';
    t.strictSame(problems(t, roots, '{ trustRoot: corp }', { ...FOLDER, ...CA }), [
      `2 trustRoots.corp.notation.ca: "ca" ${because}`,
      `2 trustRoots.corp.notation.tsa: "tsa" ${because}`,
    ]);
    const all =
      '{ trustRoot: corp, identities: ["*"], level: audit, override: { expiry: log }, timestamps: always }';
    t.strictSame(
      problems(t, ROOT, all),
      ['identities', 'level', 'override', 'timestamps'].map(
        (key) =>
          `7 policies[0].require.notation.${key}: "${key}" has no meaning here: trust root "corp" is a configDir, whose trust policy says it`,
      ),
    );
  },
);

t.test('without a folder of its own identities have to be named', async (t) => {
  const roots = 'corp: { notation: { ca: [ca.pem] } }';
  t.strictSame(problems(t, roots, '{ trustRoot: corp, level: audit }', CA), [
    '7 policies[0].require.notation: expected a key "identities"',
  ]);
  t.strictSame(problems(t, ROOT, '{ trustRoot: crop }'), [
    '7 policies[0].require.notation.trustRoot: unknown trust root "crop", did you mean "corp"?',
  ]);
  const keys = `${ROOT}\n  keys: { sigstore: public-good }`;
  t.strictSame(problems(t, keys, '{ trustRoot: keys }'), [
    '8 policies[0].require.notation.trustRoot: trust root "keys" holds sigstore, expected one of notation: such as corp',
  ]);
});

const at = '2 trustRoots.corp.notation.configDir: DIR/notation';
const policy = (statement: object) => ({
  ...FOLDER,
  'notation/trustpolicy.json': policyText({ ...STATEMENT, ...statement }),
});
const broken: Readonly<Record<string, readonly [files: Record<string, string>, problem: string]>> =
  {
    'is not there': [
      {},
      '2 trustRoots.corp.notation.configDir: cannot read DIR/notation: no such folder',
    ],
    'is a file': [
      { notation: '{}' },
      '2 trustRoots.corp.notation.configDir: cannot read DIR/notation: it is not a folder',
    ],
    'has no policy': [
      { 'notation/truststore/x509/ca/vendor/root.pem': root.pem },
      `${at}/trustpolicy.json: expected a file, found none`,
    ],
    'has no JSON for a policy': [
      { ...FOLDER, 'notation/trustpolicy.json': '{' },
      `${at}/trustpolicy.json: expected `,
    ],
    'has an invalid policy': [
      policy({ trustedIdentities: ['x509.subject: C=DE, O=Vendor'] }),
      `${at}/trustpolicy.json: trustPolicies[0].trustedIdentities: expected C, ST and O`,
    ],
    'skips verification everywhere': [
      { ...FOLDER, 'notation/trustpolicy.json': policyText(skipping('*')) },
      `${at}/trustpolicy.json: trustPolicies[0].registryScopes: expected repositories by name: the level skip is not for "*"`,
    ],
    'lacks a store': [
      policy({ trustStores: ['ca:vendor', 'tsa:stamps'] }),
      `${at}/truststore/x509/tsa/stamps: expected the trust store tsa:stamps, found none`,
    ],
    'has a store that holds no certificate': [
      { ...FOLDER, 'notation/truststore/x509/ca/vendor/b.pem': 'nothing' },
      `${at}/truststore/x509/ca/vendor/b.pem: expected a PEM block`,
    ],
  };
for (const [what, [files, expected]] of Object.entries(broken)) {
  t.test(`a folder that ${what} is one problem at its place`, async (t) => {
    const found = problems(t, ROOT, '{ trustRoot: corp }', files);
    t.match(found, [expected]);
    t.equal(found.length, 1);
  });
}

t.test('a folder of endless stores is refused, and links in it are not followed', async (t) => {
  const yaml = yamlOf(ROOT, '{ trustRoot: corp }');
  const { file } = loadText(t, yaml, { files: FOLDER });
  const store = join(file, '../notation/truststore/x509/ca/vendor');
  symlinkSync('..', join(store, 'up'));
  t.throws(
    () => loadConfig(file, { env: {}, inspect: inspectRules }),
    /vendor\/up: expected no symbolic link/,
  );
  rmSync(join(store, 'up'));
  for (let index = 0; index < 4100; index++) writeFileSync(join(store, `${index}.pem`), '');
  t.ok(readdirSync(store).length > 4096);
  t.throws(() => loadConfig(file, { env: {} }), /configDir: .* expected at most 4096 files/);
});

const vectors = process.env['COUNTERSIGN_VECTORS'];
const skip = vectors === undefined ? 'COUNTERSIGN_VECTORS is not set' : false;

t.test("notation's own policies are taken or refused with their file", { skip }, async (t) => {
  const folder = join(vectors ?? '', 'notation/trustpolicies');
  const outcomes = readdirSync(folder).map((name): readonly [string, boolean] => {
    const text = readFileSync(join(folder, name), 'utf8');
    const stores = [...text.matchAll(/"(ca|tsa|signingAuthority):([\w.-]+)"/g)].map(
      ([, kind = '', store = '']) => `notation/truststore/x509/${kind}/${store}/root.pem`,
    );
    const files = {
      'notation/trustpolicy.json': text,
      ...Object.fromEntries(stores.map((path) => [path, root.pem])),
    };
    const found = problems(t, ROOT, '{ trustRoot: corp }', files);
    if (found.length > 0) t.match(found, [`${at}/trustpolicy.json: trustPolicies[`], name);
    return [name.replace('_trustpolicy.json', ''), found.length === 0];
  });
  t.strictSame(outcomes.flatMap(([name, taken]) => (taken ? [name] : [])).sort(), [
    'audit',
    'generate_test',
    'invalid_registry_scope',
    'invalid_trusted_identity',
    'multi_statements_with_wildcard_registry_scope',
    'multiple_trust_store',
    'override_strict',
    'quickstart',
    'timestamp',
    'valid_trusted_identity',
  ]);
});
