/** What docs/policy.md and the examples say is true: every piece of YAML loads, and the rules of examples decide. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { parseExpression } from '../../src/policy/expression.ts';
import { celOf } from '../../src/policy/expression-input.ts';
import { parsePolicy } from '../../src/policy/rule.ts';
import { loadText } from '../helpers/config-file.ts';

const config = join(import.meta.dirname, '../../config');
const text = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block);
const [ROOTS = ''] = blocks;

/** The files that the pieces name. */
function files(): Readonly<Record<string, string>> {
  const found: Record<string, string> = {
    'trusted_root.json': '{}',
    'root.json': '{}',
    'notation/trustpolicy.json': '{}',
  };
  for (const folder of ['examples/keys', 'examples/authorities', 'publishers']) {
    for (const file of readdirSync(join(config, folder))) {
      if (!file.includes('.')) continue;
      const name = `${folder.replace('examples/', '')}/${file}`;
      found[name] = readFileSync(join(config, folder, file), 'utf8');
    }
  }
  return found;
}

t.test('there are pieces of YAML', async (t) => {
  t.ok(blocks.length >= 6);
  t.match(ROOTS, /^trustRoots:/);
});

for (const block of blocks) {
  t.test(`a configuration may say: ${block.split('\n', 3).join(' ')}`, async (t) => {
    const roots = /^(?:trustRoots|include):/m.test(block) ? '' : ROOTS;
    const { policies, trustRoots } = loadText(t, `${block}\n${roots}`, { files: files() });
    const facts = new Map(trustRoots.map(({ name, kind }) => [name, { id: name, kind }]));
    t.equal(parsePolicy(policies, facts).rules.length, policies.length);
  });
}

t.test('the table of types is that of the program', async (t) => {
  const source = readFileSync(
    join(import.meta.dirname, '../../src/policy/predicate-type.ts'),
    'utf8',
  );
  for (const [, name = '', uri = ''] of source.matchAll(/\['(\w+)', \{ uri: '([^']+)'/g)) {
    const row = text
      .split('\n')
      .find((line) => line.startsWith('|') && line.includes(`\`${name}\``));
    t.match(row, uri, name);
  }
});

t.test('the example of attestations takes a clean scan of a build by the workflow', async (t) => {
  const { policies } = loadConfig(join(config, 'examples/attestations.yaml'), { env: {} });
  const rules = [...JSON.stringify(policies[0]?.require).matchAll(/"rule":("(?:[^"\\]|\\.)*")/g)]
    .map(([, rule = '""']) => JSON.parse(rule) as string)
    .map(parseExpression);
  const [built, scanned] = rules;
  const check = (rule: typeof built, predicate: unknown) =>
    rule?.check({ predicate: celOf(predicate) });

  const provenance = (repository: string) => ({
    buildDefinition: { externalParameters: { workflow: { repository } } },
  });
  t.equal(check(built, provenance('https://github.com/my-org/app')), undefined);
  t.type(check(built, provenance('https://github.com/my-org-evil/app')), 'string');

  const scan = (...severities: readonly string[]) => ({
    scanner: {
      uri: 'pkg:github/aquasecurity/trivy@0.73.0',
      result: {
        Results: [
          { Target: 'debian' },
          { Target: 'go', Vulnerabilities: severities.map((Severity) => ({ Severity })) },
        ],
      },
    },
  });
  t.equal(check(scanned, scan()), undefined);
  t.equal(check(scanned, scan('LOW', 'HIGH')), undefined);
  t.type(check(scanned, scan('LOW', 'CRITICAL')), 'string');
  t.type(check(scanned, { scanner: { uri: 'pkg:x', result: { Results: [] } } }), 'string');
  t.type(
    check(scanned, { scanner: { uri: 'pkg:github/aquasecurity/trivy@1', result: {} } }),
    'string',
  );
});
