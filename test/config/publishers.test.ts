/** The ready rules for publishers: each is complete in itself, says where it comes from, and goes with the others. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { inspectRules } from '../../src/app/rules.ts';
import { loadConfig } from '../../src/config/load.ts';
import { loadText } from '../helpers/config-file.ts';

const folder = join(import.meta.dirname, '../../config/publishers');
const publishers = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

t.test('there are publishers', async (t) => {
  t.ok(publishers.length >= 10);
  for (const name of ['kubernetes', 'distroless', 'chainguard', 'sigstore', 'kyverno']) {
    t.ok(publishers.includes(`${name}.yaml`), name);
  }
});

for (const file of publishers) {
  t.test(`the rules of ${file} can be included, and name their source`, async (t) => {
    const config = loadText(t, `include: [ ${join(folder, file)} ]`, { inspect: inspectRules });
    t.not(config.policies.length, 0);
    t.strictSame(config.included, [join(folder, file)]);
    const known = config.upstreams.map(({ name }) => name);
    for (const { match, mode, require, insecureAcceptAnything } of config.policies) {
      for (const pattern of match) t.ok(known.includes(pattern.split('/')[0] ?? ''), pattern);
      t.equal(mode, 'enforce');
      t.not(require, undefined);
      t.equal(insecureAcceptAnything, undefined);
    }
    const text = readFileSync(join(folder, file), 'utf8');
    t.match(text, /^# Source: https:\/\/\S+$/m);
    t.match(text, /^# yaml-language-server: \$schema=\.\.\/countersign\.schema\.json\n#\n# \w/);
  });

  t.test(`no pattern of ${file} takes a lookalike of what it means`, async (t) => {
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, pattern = ''] of text.matchAll(/subjectPattern: '?([^'\n]+)'?$/gm)) {
      // A dot that is no dot, and a part that may reach over a slash, are how lookalikes get in.
      t.notMatch(pattern.replaceAll(/\[[^\]]*\]/g, ''), /(?<!\\)\./, pattern);
      t.notMatch(pattern, /\[[^\]]*[/@][^\]]*\]/, pattern);
    }
  });
}

t.test(
  'all of them go together, and with what an operator says of the same registries',
  async (t) => {
    const config = loadText(
      t,
      `
include: [ ${folder}/*.yaml ]
upstreams:
  docker.io: { default: true }
  ghcr.io: { credentials: { username: bot, password: "\${TOKEN}" } }
trustRoots:
  sigstore-public: { sigstore: { instance: public-good, refresh: never } }
policies:
  - { name: never, match: ghcr.io/kyverno/**, reject: not here }
`,
      { inspect: inspectRules, env: { TOKEN: 'x' } },
    );
    t.equal(config.included.length, publishers.length);
    t.equal(config.policies[0]?.name, 'never', 'the rule of the file itself comes first');
    const byName = new Map(config.upstreams.map((upstream) => [upstream.name, upstream]));
    t.equal(byName.get('docker.io')?.default, true);
    t.match(byName.get('ghcr.io')?.credentials, { username: 'bot' });
    t.match(
      config.trustRoots.find(({ name }) => name === 'sigstore-public'),
      { source: { instance: 'public-good' }, refresh: undefined },
    );
  },
);

t.test('an example shows them at work', async (t) => {
  const config = loadConfig(join(folder, '../examples/keyless.yaml'), { env: {} });
  t.strictSame(
    config.policies.map(({ name }) => name),
    ['our releases', 'signed by one of us', 'kubernetes', 'distroless'],
  );
});
