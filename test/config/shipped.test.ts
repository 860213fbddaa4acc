/** The files that we ship: the schema, the default configuration and every example. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { inspectRules } from '../../src/app/rules.ts';
import { loadConfig } from '../../src/config/load.ts';
import { isJsonObject } from '../../src/oci/json.ts';
import { loadText } from '../helpers/config-file.ts';

const folder = join(import.meta.dirname, '../../config');
const env = { CORP_REGISTRY_PASSWORD: 'from the environment' };

/** Loads a shipped file as the program does. */
function load(file: string) {
  return loadConfig(join(folder, file), { env, inspect: inspectRules, cwd: '/srv' });
}

t.test('the default configuration serves loopback and trusts nobody', async (t) => {
  const config = load('countersign.yaml');
  t.strictSame([config.listen.host, config.listen.port], ['127.0.0.1', 5050]);
  t.strictSame([config.admin.host, config.admin.port], ['127.0.0.1', 5051]);
  t.strictSame(config.cache, {
    path: '/srv/var',
    maxSize: 20 * 2 ** 30,
    keep: [],
    prefetch: 0,
  });
  t.strictSame(
    config.upstreams.map(({ name, url }) => [name, url]),
    [
      ['docker.io', 'https://registry-1.docker.io'],
      ['ghcr.io', 'https://ghcr.io'],
      ['quay.io', 'https://quay.io'],
      ['registry.k8s.io', 'https://registry.k8s.io'],
      ['gcr.io', 'https://gcr.io'],
      ['mcr.microsoft.com', 'https://mcr.microsoft.com'],
      ['cgr.dev', 'https://cgr.dev'],
      ['public.ecr.aws', 'https://public.ecr.aws'],
    ],
  );
  t.strictSame(
    config.upstreams.filter((upstream) => upstream.default).map(({ name }) => name),
    ['docker.io'],
  );
  t.strictSame([config.trustRoots, config.policies], [[], []]);
});

t.test('what its comments say to write is a configuration', async (t) => {
  const text = readFileSync(join(folder, 'countersign.yaml'), 'utf8');
  const advice = text
    .split('\n')
    .filter((line) => line.startsWith('#     '))
    .map((line) => line.slice(6));
  const edited = text.replace('trustRoots: {}\npolicies: []\n', advice.join('\n'));
  t.not(edited, text);
  const key = readFileSync(join(folder, 'examples/keys/release.pub'), 'utf8');
  const config = loadText(t, edited, { files: { 'keys/release.pub': key }, inspect: inspectRules });
  t.match(config.policies, [{ require: { key: { trustRoot: 'release-keys' } } }]);
});

const examples = readdirSync(join(folder, 'examples')).filter((file) => file.endsWith('.yaml'));

t.test('there are examples', async (t) => {
  t.strictSame(examples.toSorted(), [
    'air-gap.yaml',
    'approvals.yaml',
    'attestations.yaml',
    'audit-first.yaml',
    'behind-nginx.yaml',
    'corp-registry.yaml',
    'exceptions.yaml',
    'github.yaml',
    'keyless.yaml',
    'kubernetes-nodes.yaml',
    'mirrors.yaml',
    'notation.yaml',
    'offline.yaml',
    'own-releases.yaml',
    'pinned-tags.yaml',
    'private-sigstore.yaml',
    'signatures-elsewhere.yaml',
    'some-without-signatures.yaml',
    'two-of-three-keys.yaml',
  ]);
});

for (const file of examples) {
  t.test(`the example ${file} is right, keys and rules included`, async (t) => {
    const config = load(join('examples', file));
    t.not(config.policies.length, 0);
    const used = new Set(JSON.stringify(config.policies).match(/(?<="trustRoot":")[^"]+/g));
    // Whose seals count is said beside the rules.
    if (config.imports.sealedBy !== undefined) used.add(config.imports.sealedBy);
    t.strictSame([...used].sort(), config.trustRoots.map(({ name }) => name).sort());
    const text = readFileSync(join(folder, 'examples', file), 'utf8');
    t.match(text, /^# yaml-language-server: \$schema=\.\.\/countersign\.schema\.json\n#\n# \w/);
  });
}

t.test('no file here holds a private key', async (t) => {
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (/\.(?:pub|pem|key|yaml)$/.test(file)) {
      t.notMatch(readFileSync(join(folder, file), 'utf8'), 'PRIVATE');
    }
  }
});

/** Every schema with a type of value that a person writes, by its place. */
function* leaves(schema: unknown, path = '#'): Generator<readonly [string, object]> {
  if (!isJsonObject(schema)) return;
  if (typeof schema['type'] === 'string' || schema['$ref'] !== undefined) yield [path, schema];
  for (const [name, child] of Object.entries(schema)) {
    if (name !== 'default' && name !== 'oneOf') yield* leaves(child, `${path}/${name}`);
  }
}

t.test('the schema is one, and explains every key to an editor', async (t) => {
  const schema: unknown = JSON.parse(readFileSync(join(folder, 'countersign.schema.json'), 'utf8'));
  t.ok(new Ajv().validateSchema(schema as object));
  for (const [path, part] of leaves(schema)) {
    if (!/\/properties\/[^/]+$/.test(path)) continue;
    const described = 'description' in part || '$ref' in part;
    t.ok(described, `${path} has a description`);
  }
});
