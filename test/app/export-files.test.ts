/** Rules and trust roots of an export: taken out of the bundle, they are a configuration that trusts the same. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { collectExportFiles } from '../../src/app/export-files.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { readTrustRoot } from '../../src/app/trust-roots.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/config.ts';
import { keepLastKnownGood } from '../../src/trust/last-known-good.ts';
import { createTufSource } from '../../src/trust/tuf.ts';
import { publicGoodTrustedRoot } from '../../src/trust/well-known.ts';
import { createSigner } from '../helpers/signer.ts';
import { startTufServer } from '../helpers/tuf-repository.ts';
import { makeAuthority, makeList } from '../verify/notation/revocation/made-revocation.ts';

const examples = join(import.meta.dirname, '../../config/examples');

function folderFor(t: Test, files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-files-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const idsOf = ({ trustRoots }: Config) =>
  Object.fromEntries(trustRoots.map((root) => [root.name, readTrustRoot(root).id]));

t.test('what is exported can be included, and means the same', async (t) => {
  const tuf = await startTufServer(t);
  const authority = makeAuthority('root');
  const list = makeList(authority);
  const kept = 'a'.repeat(64);
  const folder = folderFor(t, {
    'a/key.pub': createSigner().publicPem,
    'b/key.pub': createSigner().publicPem,
    'root.json': tuf.initialRoot.toString(),
    'list.crl': list,
    'ca.pem': authority.pem,
    'schema.json': '{"type":"object"}',
    [`cache/revocation/${kept}`]: list,
    [`cache/revocation/${'b'.repeat(64)}`]: 'an answer of another kind',
    'cache/revocation/.work-1': list,
    'publishers.yaml': `
trustRoots: { good: { sigstore: { instance: public-good, refresh: never } } }
policies:
  - name: keyless # of a publisher
    match: lab.local/keyless/**
    require: { sigstore: { trustRoot: good, identities: [{ issuer: "https://a.example", subject: b }] } }
`,
    'countersign.yaml': `
include: [publishers.yaml]
cache: { path: cache }
upstreams:
  lab.local: { url: "http://10.1.2.3:5000", insecureHttp: true }
trustRoots:
  keys: { publicKeys: [a/key.pub, b/key.pub] }
  "odd/.. name": { publicKeys: [a/key.pub] }
  unused: { publicKeys: [b/key.pub] }
  parts:
    sigstore:
      certificateAuthorities: [${examples}/authorities/fulcio.pem]
      transparencyLogs:
        - { keyFile: ${examples}/authorities/rekor.pub, origin: rekor.example, validFrom: 2024-01-01T00:00:00Z }
      timestampAuthorities: [${examples}/authorities/timestamp.pem]
  fetched: { sigstore: { tuf: { mirror: "${tuf.url}", rootFile: root.json, insecureHttp: true } } }
  stores: { notation: { ca: [ca.pem], revocationLists: [list.crl] } }
  folder: { notation: { configDir: ${examples}/notation } }
policies:
  - { name: keys, match: lab.local/a, require: { key: { trustRoot: keys, timestamps: 1, logsFrom: parts } } }
  - name: all
    match: [lab.local/b]
    require:
      allOf:
        - anyOf: [{ key: { trustRoot: "odd/.. name" } }, { notation: { trustRoot: folder } }]
        - notation: { trustRoot: stores, identities: ['*'] }
        - sigstore: { trustRoot: fetched, identities: [{ issuer: "https://a.example", subject: b }] }
        - attestation: { type: slsaprovenance1, by: { key: { trustRoot: keys } }, schemaFile: schema.json }
    tags: { refresh: 90s }
  - { name: not asked for, match: lab.local/c, require: { key: { trustRoot: unused } } }
`,
  });
  const options = { env: {}, cwd: folder, inspect: inspectRules };
  const config = loadConfig(join(folder, 'countersign.yaml'), options);
  const source = createTufSource(
    { mirror: tuf.url, initialRoot: tuf.initialRoot },
    { folder: join(folder, 'elsewhere') },
  );
  const trusted = publicGoodTrustedRoot();
  const known = { content: trusted, since: 0 };
  await keepLastKnownGood(join(folder, 'cache/trust/root-fetched'), source.id, known);

  const files = await collectExportFiles(config, new Set(['keys', 'all', 'keyless']));
  t.strictSame(files.map(({ path }) => path).sort(), [
    `revocation/${kept}`,
    'revocation/stores/list.crl',
    'rules.yaml',
    'trust/fetched/trusted_root.json',
    'trust/folder/trustpolicy.json',
    ...files.flatMap(({ path }) => (path.includes('/truststore/') ? [path] : [])).sort(),
    'trust/good/trusted_root.json',
    'trust/keys/2/key.pub',
    'trust/keys/key.pub',
    'trust/odd%2F..%20name/key.pub',
    'trust/parts/fulcio.pem',
    'trust/parts/rekor.pub',
    'trust/parts/timestamp.pem',
    'trust/stores/ca.pem',
  ]);
  const written = Object.fromEntries(files.map(({ path, bytes }) => [path, bytes]));
  const rules = written['rules.yaml']?.toString() ?? '';
  for (const foreign of ['10.1.2.3', 'unused', 'not asked for', folder, examples]) {
    t.notMatch(rules, foreign);
  }
  t.ok(written['trust/fetched/trusted_root.json']?.equals(trusted));

  const other = folderFor(t, {
    ...written,
    'countersign.yaml': 'include: [rules.yaml]\nupstreams: { lab.local: {} }\n',
  });
  const there = loadConfig(join(other, 'countersign.yaml'), { ...options, cwd: other });
  t.strictSame(
    there.policies.map((rule) => JSON.stringify(rule)),
    config.policies
      .filter(({ name }) => name !== 'not asked for')
      .map((rule) => JSON.stringify(rule)),
  );
  const { unused, fetched, ...ids } = idsOf(config);
  t.ok(unused !== undefined && fetched !== undefined);
  t.match(idsOf(there), ids, 'the same keys and certificates');
  t.equal(readFileSync(join(other, 'rules.yaml'), 'utf8').startsWith('# Rules'), true);
});

t.test('a private key that lies in a trust store stays here', async (t) => {
  const secret = createSigner().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const notation = join(examples, 'notation');
  const folder = folderFor(t, {
    'notation/trustpolicy.json': readFileSync(join(notation, 'trustpolicy.json')),
    'notation/truststore/x509/ca/left-over/ca.pem': `${makeAuthority('root').pem}${secret}`,
    'countersign.yaml': `
cache: { path: cache }
upstreams: { lab.local: {} }
trustRoots: { stores: { notation: { configDir: notation } } }
policies: [{ name: all, match: lab.local/**, require: { notation: { trustRoot: stores } } }]
`,
  });
  cpSync(join(notation, 'truststore'), join(folder, 'notation/truststore'), { recursive: true });
  const options = { env: {}, cwd: folder, inspect: inspectRules };
  const config = loadConfig(join(folder, 'countersign.yaml'), options);
  await t.rejects(collectExportFiles(config, new Set(['all'])), {
    message: /trust\/stores\/.*left-over\/ca\.pem holds a private key/,
  });
});
