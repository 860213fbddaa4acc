/** `countersign config check FILE` from the outside. */
import t, { type Test } from 'tap';
import { inspectRules } from '../../src/app/rules.ts';
import { configCheck } from '../../src/cli/config-check.ts';
import { writeFiles } from '../helpers/config-file.ts';
import { createSigner } from '../helpers/signer.ts';

/** Runs the command on YAML text; the file's name is replaced by FILE in what it says. */
function check(t: Test, yaml: string, files: Readonly<Record<string, string>> = {}) {
  const file = writeFiles(t, { 'c.yaml': yaml, ...files });
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (line: string) => out.push(line.replaceAll(file, 'FILE')),
    err: (line: string) => err.push(line.replaceAll(file, 'FILE')),
  };
  return { code: configCheck(file, { env: {}, inspect: inspectRules }, io), out, err };
}

t.test('a good file is fine, and says what is in it', async (t) => {
  t.strictSame(check(t, 'upstreams: { ghcr.io: {}, quay.io: {} }'), {
    code: 0,
    out: ['FILE: fine (2 upstreams, 0 trust roots, 0 rules)'],
    err: [],
  });
  t.strictSame(
    check(t, 'upstreams: { ghcr.io: {} }\npolicies: [ { name: a, match: "**", reject: no } ]').out,
    ['FILE: fine (1 upstream, 0 trust roots, 1 rule)'],
  );
});

t.test('a bad file is answered with every problem', async (t) => {
  const { code, out, err } = check(t, 'listen: { prot: 1 }\nadmin: { port: x }');
  t.equal(code, 2);
  t.strictSame(out, []);
  t.strictSame(err.join('\n').split('\n'), [
    'FILE:1:11 listen.prot: unknown key "prot", did you mean "port"?',
    'FILE:2:16 admin.port: expected a whole number, got a string',
  ]);
});

t.test('keys and patterns are read too, and told with their lines', async (t) => {
  const yaml = `
trustRoots:
  ours:
    publicKeys:
      - a.pub
policies:
  - name: bad
    match: GHCR.io/Team/**
    reject: no
`;
  const { code, err } = check(t, yaml, { 'a.pub': 'no key at all' });
  t.equal(code, 2);
  t.match(err.join('\n').split('\n'), [
    /^FILE:5:9 trustRoots\.ours\.publicKeys\[0\]: .*found none/,
    /^FILE:7:5 policies\[0\]: .*GHCR\.io/,
  ]);
});

t.test('a rule for a registry that is no upstream is pointed out', async (t) => {
  const yaml = `upstreams: { ghcr.io: {}, docker.io: {} }
policies:
  - { name: typo, match: [ "ghrc.io/team/**", "!nowhere.example/**" ], reject: no }
  - { name: fine, match: [ ghcr.io/**, index.docker.io/alpine, "*.example/**", "**" ], reject: no }
`;
  const { code, out } = check(t, yaml);
  t.equal(code, 0);
  t.strictSame(out, [
    'FILE: fine (2 upstreams, 0 trust roots, 2 rules)',
    'note: rule "typo" matches ghrc.io, which is no upstream, did you mean "ghcr.io"?',
  ]);
});

t.test('exceptions are counted, and those that are over pointed out', async (t) => {
  const rule = '{ name: a, match: "ghcr.io/**", require: { key: { trustRoot: r } } }';
  const exception = (hex: string, expires: string): string =>
    `{ digest: "sha256:${hex.repeat(64)}", rule: a, reason: soon, expires: ${expires} }`;
  const yaml = `
upstreams: { ghcr.io: {} }
trustRoots: { r: { publicKeys: [r.pub] } }
policies: [${rule}]
exceptions: [${exception('a', '2020-01-31')}, ${exception('b', '9000-01-01')}]
`;
  t.strictSame(check(t, yaml, { 'r.pub': createSigner().publicPem }), {
    code: 0,
    out: [
      'FILE: fine (1 upstream, 1 trust root, 1 rule, 2 exceptions)',
      `note: rule "a" and sha256:${'a'.repeat(64)}: an exception was over on 2020-02-01T00:00:00Z: soon`,
    ],
    err: [],
  });
});

t.test('a file that is not there is a problem of the configuration', async (t) => {
  const io = { out: () => undefined, err: (line: string) => t.match(line, 'no such file') };
  t.equal(configCheck('/nowhere/c.yaml', { env: {} }, io), 2);
});
