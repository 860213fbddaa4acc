/** `trustpolicy.json`: valid as the specification says, selected by exact repository, and never half understood. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { parseTrustPolicy, selectStatement } from '../../src/policy/notation-trust-policy.ts';

const folder = process.env['COUNTERSIGN_VECTORS'];
const skip = folder === undefined ? 'COUNTERSIGN_VECTORS is not set' : false;

const STATEMENT = {
  name: 'a',
  registryScopes: ['*'],
  signatureVerification: { level: 'strict' },
  trustStores: ['ca:a'],
  trustedIdentities: ['*'],
};
const policy = (...statements: readonly object[]): Buffer =>
  Buffer.from(JSON.stringify({ version: '1.0', trustPolicies: statements }));
const parse = (...changes: readonly object[]) =>
  parseTrustPolicy(policy(...changes.map((change) => ({ ...STATEMENT, ...change }))));

/** What the specification says of each of notation's own policies. */
const VECTORS: Readonly<Record<string, true | RegExp>> = {
  audit: true,
  empty_registry_scope: /trustPolicies\[0\]\.registryScopes: expected at least one scope/,
  generate_test: true,
  // A fine scope, of another repository.
  invalid_registry_scope: true,
  // A fine name, of nobody.
  invalid_trusted_identity: true,
  malformed_trust_store: /trustPolicies\[0\]\.trustStores\[0\]: expected ca:NAME/,
  missing_country_trusted_identity: /trustPolicies\[0\]\.trustedIdentities: .*got no C$/,
  missing_state_trusted_identity: /trustPolicies\[0\]\.trustedIdentities: .*got no ST$/,
  multi_statements_with_the_same_name: /trustPolicies\[1\]\.name: expected "e2e" once/,
  multi_statements_with_wildcard_registry_scope: true,
  multiple_trust_store: true,
  overlapped_registry_scope: /registryScopes: expected localhost:5000\/test-repo6 in one place/,
  overlapped_trusted_identity: /trustedIdentities: .*overlap/,
  override_integrity_for_permissive: /signatureVerification: expected no override of integrity/,
  override_strict: true,
  quickstart: true,
  // "skip cannot be used with a global scope": notation itself does not mind.
  skip: /registryScopes: .*the level skip is not for "\*"/,
  timestamp: true,
  unset_trust_store: /trustStores: expected at least one trust store/,
  valid_trusted_identity: true,
  wildcard_plus_other_trusted_identity: /trustedIdentities: expected "\*" to be the only/,
};

t.test("notation's own policies are judged as the specification says", { skip }, (t) => {
  for (const [name, verdict] of Object.entries(VECTORS)) {
    const path = `${folder ?? ''}/notation/trustpolicies/${name}_trustpolicy.json`;
    const bytes = readFileSync(path);
    if (verdict === true) t.doesNotThrow(() => parseTrustPolicy(bytes), name);
    else t.throws(() => parseTrustPolicy(bytes), { name: 'SyntaxError', message: verdict }, name);
  }
  t.end();
});

t.test('a statement is read as it stands', (t) => {
  const { statements } = parse(
    {
      registryScopes: ['reg.example:5000/a/b', 'docker.io/library/alpine'],
      signatureVerification: {
        level: 'permissive',
        override: { revocation: 'skip' },
        verifyTimestamp: 'afterCertExpiry',
      },
      trustStores: ['ca:one', 'tsa:t.w-o_3', 'signingAuthority:two'],
      trustedIdentities: ['x509.subject: C=DE, ST=BY, O=Vendor'],
    },
    {
      name: 'none',
      registryScopes: ['reg.example/unsigned'],
      signatureVerification: { level: 'skip' },
      trustStores: [],
      trustedIdentities: undefined,
    },
  );
  const [first, second] = statements;
  t.match(first, {
    name: 'a',
    registryScopes: ['reg.example:5000/a/b', 'docker.io/library/alpine'],
    verification: 'verify',
    level: { authenticity: 'enforce', expiry: 'log', revocation: 'skip' },
    verifyTimestamp: 'afterCertExpiry',
    trustStores: [
      { kind: 'ca', name: 'one' },
      { kind: 'tsa', name: 't.w-o_3' },
      { kind: 'signingAuthority', name: 'two' },
    ],
    identities: [{ kind: 'x509' }],
  });
  t.strictSame(second, {
    name: 'none',
    registryScopes: ['reg.example/unsigned'],
    verification: 'skip',
  });
  const [plain] = parse({}).statements;
  t.match(plain, { verifyTimestamp: 'always' }, 'timestamps are verified unless told otherwise');
  t.end();
});

t.test('the statement that names the repository decides, else that of the asterisk', (t) => {
  const document = parse(
    { name: 'all' },
    { name: 'one', registryScopes: ['reg.example/a', 'reg.example:5000/a'] },
  );
  const chosen = (repository: string): string | undefined =>
    selectStatement(document, repository)?.name;
  t.equal(chosen('reg.example/a'), 'one');
  t.equal(chosen('reg.example:5000/a'), 'one');
  t.equal(chosen('reg.example/a/b'), 'all', 'a scope is no prefix');
  t.equal(chosen('reg.example/ab'), 'all');
  t.equal(chosen('other.example/a'), 'all');
  const strictOnly = parse({ registryScopes: ['reg.example/a'] });
  t.equal(selectStatement(strictOnly, 'reg.example/b'), undefined, 'no statement, no trust');
  t.end();
});

t.test('what the specification forbids is refused with its place', (t) => {
  const skipping = { trustStores: [], trustedIdentities: [], registryScopes: ['r.example/a'] };
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ name: '' }, /trustPolicies\[0\]\.name: expected a name/],
    [{ name: undefined }, /trustPolicies\[0\]\.name: expected text/],
    [{ registryScopes: undefined }, /registryScopes: expected at least one/],
    [{ registryScopes: '*' }, /registryScopes: expected an array/],
    [{ registryScopes: ['*', 'r.example/a'] }, /registryScopes\[0\]: expected "\*" alone/],
    [{ registryScopes: ['r.example/*'] }, /registryScopes\[0\]: expected "\*" alone/],
    [{ registryScopes: ['r.example/a', '*'] }, /registryScopes\[1\]: expected "\*" alone/],
    [{ registryScopes: ['alpine'] }, /registryScopes\[0\]: expected a repository/],
    [{ registryScopes: ['https://r.example/a'] }, /registryScopes\[0\]: /],
    [{ registryScopes: ['r.example/a:tag'] }, /registryScopes\[0\]: expected a repository name/],
    [{ registryScopes: ['r.example/'] }, /registryScopes\[0\]: /],
    [{ registryScopes: ['/a'] }, /registryScopes\[0\]: /],
    [{ registryScopes: ['R.example/a'] }, /expected the canonical name r\.example\/a/],
    [{ registryScopes: ['docker.io/alpine'] }, /canonical name docker\.io\/library\/alpine/],
    [{ signatureVerification: undefined }, /signatureVerification: expected an object/],
    [{ signatureVerification: {} }, /signatureVerification: expected the level/],
    [{ signatureVerification: { level: 'Strict' } }, /expected the level/],
    [
      { signatureVerification: { level: 'strict', verifyTimestamp: 'never' } },
      /verifyTimestamp: expected "always" or "afterCertExpiry"/,
    ],
    [
      { signatureVerification: { level: 'strict', overrides: {} } },
      /signatureVerification: unknown member "overrides", did you mean override/,
    ],
    [{ trustStores: undefined }, /trustStores: expected at least one/],
    [{ trustStores: ['ca'] }, /trustStores\[0\]: expected ca:NAME/],
    [{ trustStores: ['CA:a'] }, /trustStores\[0\]: /],
    [{ trustStores: ['ca:a/b'] }, /trustStores\[0\]: /],
    [{ trustStores: ['ca:..'] }, /trustStores\[0\]: /],
    [{ trustStores: ['ca:a:b'] }, /trustStores\[0\]: /],
    [{ trustStores: ['ca:a,tsa:b'] }, /trustStores\[0\]: /],
    [{ trustedIdentities: [] }, /trustedIdentities: expected at least one/],
    [{ trustedIdentities: [1] }, /trustedIdentities\[0\]: expected text/],
    [{ trustedidentities: ['*'] }, /trustPolicies\[0\]: unknown member "trustedidentities"/],
    [
      { ...skipping, signatureVerification: { level: 'skip', override: { expiry: 'log' } } },
      /override: expected none/,
    ],
    [
      { ...skipping, trustStores: ['ca:a'], signatureVerification: { level: 'skip' } },
      /expected neither trustStores nor trustedIdentities/,
    ],
    [
      { ...skipping, trustedIdentities: ['*'], signatureVerification: { level: 'skip' } },
      /expected neither trustStores nor trustedIdentities/,
    ],
  ];
  for (const [change, message] of refused) {
    t.throws(() => parse(change), { name: 'SyntaxError', message }, JSON.stringify(change));
  }
  t.throws(
    () => parse({}, { name: 'b' }),
    /trustPolicies\[1\]\.registryScopes: expected \* in one/,
  );
  t.end();
});

t.test('a document is of version 1.0, and every member is understood', (t) => {
  const refused: Readonly<Record<string, RegExp>> = {
    '[]': /expected an object/,
    '{"trustPolicies":[]}': /version: expected "1\.0"/,
    '{"version":1.0,"trustPolicies":[]}': /version: expected "1\.0"/,
    '{"version":"1.1","trustPolicies":[]}': /version: expected "1\.0"/,
    '{"version":"1.0"}': /trustPolicies: expected at least one/,
    '{"version":"1.0","trustPolicies":[]}': /trustPolicies: expected at least one/,
    '{"version":"1.0","version":"1.0"}': /duplicate member "version"/,
    '{"version":"1.0","TrustPolicies":[]}': /unknown member "TrustPolicies"/,
  };
  for (const [text, message] of Object.entries(refused)) {
    t.throws(() => parseTrustPolicy(Buffer.from(text)), { name: 'SyntaxError', message }, text);
  }
  // The last of two members is what Go would read.
  const twice = policy(STATEMENT).toString().replace('"level"', '"level":"audit","level"');
  t.throws(() => parseTrustPolicy(Buffer.from(twice)), /duplicate member "level"/);
  t.throws(() => parseTrustPolicy(Buffer.alloc(1024 * 1024 + 1, ' ')), /at most 1 MiB/);
  t.end();
});

t.test('any JSON in the place of a member is refused or understood', (t) => {
  const places = fc.constantFrom(...Object.keys(STATEMENT));
  fc.assert(
    fc.property(places, fc.jsonValue({ maxDepth: 2 }), (place, value) => {
      try {
        parse({ [place]: value });
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }),
    { numRuns: 100 },
  );
  t.end();
});
