/** Notation's folder of configuration: read without following links, and never half. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { statementFor } from '../../src/trust/notation-config-dir.ts';
import { readNotationPolicy } from '../helpers/notation/folder.ts';
import { issueAuthority } from '../helpers/sigstore/certificate.ts';
import { testdir } from '../helpers/testdir.ts';

const SPAN = { notBefore: Date.UTC(2026, 0), notAfter: Date.UTC(2027, 0) };
const [one, two, stamps] = ['one', 'two', 'stamps'].map((commonName) =>
  issueAuthority({ ...SPAN, commonName }),
);

const STATEMENT = {
  name: 'vendor',
  registryScopes: ['*'],
  signatureVerification: { level: 'strict' },
  trustStores: ['ca:vendor', 'ca:more', 'tsa:stamps'],
  trustedIdentities: ['*'],
};

/** A folder with two ca stores and one tsa store. */
function makeFolder(t: Tap, ...statements: readonly object[]): string {
  const folder = testdir(t, {
    'trustpolicy.json': JSON.stringify({
      version: '1.0',
      trustPolicies: statements.length === 0 ? [STATEMENT] : statements,
    }),
    truststore: {
      x509: {
        ca: {
          vendor: { 'a.pem': one?.pem ?? '' },
          more: { 'b.crt': two?.der ?? '' },
          unused: { 'broken.pem': 'no certificate' },
        },
        tsa: { stamps: { 'c.cer': stamps?.pem ?? '' } },
      },
    },
  });
  return folder;
}
type Tap = Pick<typeof t, 'testdir' | 'teardown'>;
const storePath = (folder: string, ...parts: readonly string[]): string =>
  join(folder, 'truststore', 'x509', ...parts);

const subjects = (list: readonly { readonly subject: string }[] | undefined) =>
  list?.map(({ subject }) => subject.replace('O=sigstore.test, CN=', ''));

t.test('the stores of a statement make its trust root', async (t) => {
  const policy = readNotationPolicy(makeFolder(t), 'mine');
  t.strictSame(policy.warnings, [], 'a store that nobody names is not read');
  const { statement, root } = statementFor(policy, 'r.example/a') ?? {};
  t.match([policy.name, statement?.name, root?.name], ['mine', 'vendor', 'mine']);
  t.strictSame(subjects(root?.ca), ['one', 'two']);
  t.strictSame(subjects(root?.tsa), ['stamps']);
  t.strictSame(subjects(root?.signingAuthority), []);
});

t.test('a statement has the stores that it names and no others', async (t) => {
  const policy = readNotationPolicy(
    makeFolder(
      t,
      { ...STATEMENT, trustStores: ['ca:vendor'] },
      { ...STATEMENT, name: 'other', registryScopes: ['r.example/a'], trustStores: ['ca:more'] },
      {
        name: 'none',
        registryScopes: ['r.example/b'],
        signatureVerification: { level: 'skip' },
      },
    ),
  );
  t.strictSame(subjects(statementFor(policy, 'r.example/x')?.root?.ca), ['one']);
  t.strictSame(subjects(statementFor(policy, 'r.example/a')?.root?.ca), ['two']);
  t.match(statementFor(policy, 'r.example/b')?.statement, { name: 'none' });
  t.equal(statementFor(policy, 'r.example/b')?.root, undefined, 'nothing is verified under skip');
});

t.test('a statement by which nobody could sign is an error that names it', async (t) => {
  const folder = makeFolder(t, { ...STATEMENT, trustStores: ['tsa:stamps'] });
  t.throws(() => readNotationPolicy(folder), {
    name: 'SyntaxError',
    message: /trustpolicy\.json: statement "vendor": .*nobody could sign/,
  });
});

t.test('another policy or other certificates are another id', async (t) => {
  const folder = makeFolder(t);
  const { id } = readNotationPolicy(folder);
  writeFileSync(storePath(folder, 'ca', 'unused', 'more.pem'), 'no certificate');
  t.equal(readNotationPolicy(folder).id, id, 'a store that nobody names does not matter');
  writeFileSync(storePath(folder, 'ca', 'vendor', 'more.pem'), two?.pem ?? '');
  t.equal(readNotationPolicy(folder).id, id, 'nor does a certificate that is trusted already');
  writeFileSync(storePath(folder, 'ca', 'vendor', 'more.pem'), stamps?.pem ?? '');
  const other = readNotationPolicy(folder).id;
  t.not(other, id);
  const statement = { ...STATEMENT, signatureVerification: { level: 'permissive' } };
  const text = JSON.stringify({ version: '1.0', trustPolicies: [statement] });
  writeFileSync(join(folder, 'trustpolicy.json'), text);
  t.not(readNotationPolicy(folder).id, other);
});

t.test('the other names of policy and stores, one of each', async (t) => {
  const folder = makeFolder(t);
  renameSync(join(folder, 'trustpolicy.json'), join(folder, 'trustpolicy.oci.json'));
  renameSync(join(folder, 'truststore'), join(folder, 'trust-store'));
  t.match(readNotationPolicy(folder).document.statements, [{ name: 'vendor' }]);
  mkdirSync(join(folder, 'truststore'));
  t.throws(() => readNotationPolicy(folder), /truststore or trust-store, found both/);
  rmSync(join(folder, 'truststore'), { recursive: true });
  writeFileSync(join(folder, 'trustpolicy.json'), '{}');
  t.throws(
    () => readNotationPolicy(folder),
    /expected trustpolicy\.json or trustpolicy\.oci\.json, found both/,
  );
});

t.test('a store that is missing or empty is an error', async (t) => {
  const missing = makeFolder(t, { ...STATEMENT, trustStores: ['ca:vendor', 'ca:none'] });
  t.throws(() => readNotationPolicy(missing), {
    name: 'SyntaxError',
    message: /ca\/none: expected the trust store ca:none, found none/,
  });
  const kind = makeFolder(t, { ...STATEMENT, trustStores: ['signingAuthority:vendor'] });
  t.throws(() => readNotationPolicy(kind), /expected the trust store signingAuthority:vendor/);
  const empty = makeFolder(t);
  rmSync(storePath(empty, 'ca', 'vendor', 'a.pem'));
  t.throws(() => readNotationPolicy(empty), /ca\/vendor: expected at least one certificate/);
  const file = makeFolder(t);
  rmSync(storePath(file, 'ca', 'vendor'), { recursive: true });
  writeFileSync(storePath(file, 'ca', 'vendor'), one?.pem ?? '');
  t.throws(() => readNotationPolicy(file), /expected the trust store ca:vendor/);
});

t.test('folders inside a store are told of and not read', async (t) => {
  const folder = makeFolder(t);
  mkdirSync(storePath(folder, 'ca', 'vendor', 'sub'));
  writeFileSync(storePath(folder, 'ca', 'vendor', 'sub', 'd.pem'), two?.pem ?? '');
  const policy = readNotationPolicy(folder);
  const { warnings } = policy;
  t.strictSame(subjects(statementFor(policy, 'r.example/a')?.root?.ca), ['one', 'two']);
  t.match(warnings, [/vendor\/sub: folders inside a trust store are not read/]);
});

t.test('symbolic links are errors', async (t) => {
  const file = makeFolder(t);
  symlinkSync(
    storePath(file, 'ca', 'more', 'b.crt'),
    storePath(file, 'ca', 'vendor', 'linked.crt'),
  );
  t.throws(() => readNotationPolicy(file), /linked\.crt: expected no symbolic link/);

  const store = makeFolder(t);
  rmSync(storePath(store, 'ca', 'vendor'), { recursive: true });
  symlinkSync(storePath(store, 'ca', 'more'), storePath(store, 'ca', 'vendor'));
  t.throws(() => readNotationPolicy(store), /vendor: expected no symbolic link/);

  const policy = makeFolder(t);
  rmSync(join(policy, 'trustpolicy.json'));
  writeFileSync(join(policy, 'elsewhere.json'), '{}');
  symlinkSync(join(policy, 'elsewhere.json'), join(policy, 'trustpolicy.json'));
  t.throws(() => readNotationPolicy(policy), /trustpolicy\.json: expected no symbolic link/);
});

t.test('a file that cannot be read is named', async (t) => {
  const broken = makeFolder(t, { ...STATEMENT, trustStores: ['ca:unused'] });
  t.throws(() => readNotationPolicy(broken), /broken\.pem: expected a PEM block/);
  const invalid = makeFolder(t, { ...STATEMENT, name: '' });
  t.throws(() => readNotationPolicy(invalid), {
    name: 'SyntaxError',
    message: /trustpolicy\.json: trustPolicies\[0\]\.name: expected a name/,
  });
  const none = makeFolder(t);
  rmSync(join(none, 'trustpolicy.json'));
  t.throws(() => readNotationPolicy(none), /trustpolicy\.json: expected a file, found none/);
  const large = makeFolder(t);
  writeFileSync(join(large, 'trustpolicy.json'), ' '.repeat(1024 * 1024 + 1));
  t.throws(() => readNotationPolicy(large), /trustpolicy\.json: it is larger than 1MiB/);
  const many = makeFolder(t);
  for (let index = 0; index < 256; index++) {
    mkdirSync(storePath(many, 'ca', 'vendor', `f${index}`));
  }
  t.throws(() => readNotationPolicy(many), /at most 256 files, got 257/);
});
