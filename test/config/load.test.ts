/** What a good configuration file becomes. */
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import type { RuleConfig } from '../../src/config/config.ts';
import type { RuleSpec } from '../../src/policy/rule.ts';
import { loadText, writeFiles } from '../helpers/config-file.ts';

t.test('an empty file means the defaults', async (t) => {
  for (const yaml of ['', '# nothing\n', '{}\n', 'null\n']) {
    const config = loadText(t, yaml, { cwd: '/srv' });
    t.strictSame(config.listen, { host: '127.0.0.1', port: 5050, tls: undefined });
    t.strictSame(config.admin, { host: '127.0.0.1', port: 5051 });
    t.strictSame(config.cache, {
      path: '/srv/var',
      maxSize: 20 * 2 ** 30,
      keep: [],
      prefetch: 0,
    });
    t.strictSame(config.log, { level: 'info' });
    t.strictSame([config.upstreams, config.trustRoots, config.policies], [[], [], []]);
  }
});

t.test('blobs are handed over to nginx where its location is told', async (t) => {
  const { listen } = loadText(t, 'listen: { port: 0, accelRedirect: /internal/blobs/ }');
  t.match(listen, { host: '127.0.0.1', port: 0, accelRedirect: '/internal/blobs/' });
});

t.test('an upstream without a url is https under its own name', async (t) => {
  const { upstreams } = loadText(t, 'upstreams: { ghcr.io: {}, docker.io: {}, "lab:5000": {} }');
  t.strictSame(
    upstreams.map(({ name, url }) => [name, url]),
    [
      ['ghcr.io', 'https://ghcr.io'],
      ['docker.io', 'https://registry-1.docker.io'],
      ['lab:5000', 'https://lab:5000'],
    ],
  );
});

t.test('reads every member of an upstream', async (t) => {
  const config = loadText(
    t,
    `
upstreams:
  corp.example:
    url: https://corp.example:8443/
    default: true
    tls: { caFile: ca.pem }
    credentials: { username: "bot-\${TEAM}", password: "\${SECRET}" }
    privateHosts: [ auth.corp.example, "10.0.0.7:5001" ]
  lab.local: { url: "http://127.0.0.1:5000", insecureHttp: true }
`,
    { files: { 'ca.pem': 'ca' }, env: { TEAM: 'red', SECRET: 's3cret' } },
  );
  const [corp, lab] = config.upstreams;
  t.match(corp, {
    name: 'corp.example',
    url: 'https://corp.example:8443',
    default: true,
    caFile: join(config.file, '../ca.pem'),
    credentials: { kind: 'password', username: 'bot-red', password: 's3cret' },
    privateHosts: ['auth.corp.example', '10.0.0.7:5001'],
  });
  t.match(lab, { url: 'http://127.0.0.1:5000', insecureHttp: true, default: false });
});

t.test('an upstream has mirrors, as urls or with all that a place can have', async (t) => {
  const config = loadText(
    t,
    `
upstreams:
  docker.io:
    mirrors:
      - https://mirror.example/
      - url: http://10.0.0.7:5000
        insecureHttp: true
        credentials: { username: guest, passwordFile: secret }
        privateHosts: [ auth.example ]
      - { url: "https://other.example", tls: { caFile: ca.pem }, preferred: true, tags: true }
  ghcr.io: {}
`,
    { files: { secret: 'x', 'ca.pem': 'ca' } },
  );
  const [hub, ghcr] = config.upstreams;
  const folder = join(config.file, '..');
  t.strictSame(ghcr?.mirrors, []);
  t.strictSame(hub?.mirrors, [
    {
      url: 'https://mirror.example',
      insecureHttp: false,
      caFile: undefined,
      credentials: undefined,
      privateHosts: [],
      preferred: false,
      tags: false,
    },
    {
      url: 'http://10.0.0.7:5000',
      insecureHttp: true,
      caFile: undefined,
      credentials: {
        kind: 'password-file',
        username: 'guest',
        passwordFile: join(folder, 'secret'),
      },
      privateHosts: ['auth.example'],
      preferred: false,
      tags: false,
    },
    {
      url: 'https://other.example',
      insecureHttp: false,
      caFile: join(folder, 'ca.pem'),
      credentials: undefined,
      privateHosts: [],
      preferred: true,
      tags: true,
    },
  ]);
});

t.test('a configuration is offline as a whole, for one upstream, or not at all', async (t) => {
  const one = loadText(t, 'upstreams: { ghcr.io: { offline: true }, quay.io: {} }');
  t.equal(one.offline, false);
  t.strictSame(
    one.upstreams.map(({ offline }) => offline),
    [true, false],
  );
  t.equal(loadText(t, 'offline: true').offline, true);
});

t.test('credentials come from a password file or a docker config.json too', async (t) => {
  const config = loadText(
    t,
    `
upstreams:
  a.example: { credentials: { username: bot, passwordFile: ./secret } }
  b.example: { credentials: { dockerConfigFile: ./docker/config.json } }
`,
    { files: { secret: 'x', 'docker/config.json': '{}' } },
  );
  const folder = join(config.file, '..');
  t.strictSame(
    config.upstreams.map(({ credentials }) => credentials),
    [
      { kind: 'password-file', username: 'bot', passwordFile: join(folder, 'secret') },
      { kind: 'docker-config', dockerConfigFile: join(folder, 'docker/config.json') },
    ],
  );
});

t.test('files are relative to the configuration, the cache to the working directory', async (t) => {
  const file = writeFiles(t, {
    'etc/countersign.yaml': `
cache: { path: ./blobs, maxSize: 512KiB }
listen: { tls: { certFile: tls/cert.pem, keyFile: tls/key.pem } }
trustRoots: { ours: { publicKeys: [ keys/a.pub ] } }
`,
    'etc/tls/cert.pem': 'cert',
    'etc/tls/key.pem': 'key',
    'etc/keys/a.pub': 'the text of a.pub',
  });
  const config = loadConfig(file, { env: {}, cwd: '/srv/countersign' });
  const folder = join(file, '..');
  t.equal(config.cache.path, '/srv/countersign/blobs');
  t.equal(config.cache.maxSize, 512 * 1024);
  t.strictSame(config.listen.tls, {
    certFile: join(folder, 'tls/cert.pem'),
    keyFile: join(folder, 'tls/key.pem'),
  });
  t.strictSame(config.trustRoots, [
    {
      name: 'ours',
      kind: 'public-keys',
      files: [{ path: join(folder, 'keys/a.pub'), text: 'the text of a.pub' }],
    },
  ]);
});

t.test('rules keep their order and arrive in the shape that policy parses', async (t) => {
  const { policies } = loadText(
    t,
    `
trustRoots: { a: { publicKeys: [ a.pub ] }, b: { publicKeys: [ a.pub ] } }
policies:
  - { name: scratch, match: lab.local/**, insecureAcceptAnything: true }
  - { name: never, match: docker.io/evil/**, reject: withdrawn, mode: audit }
  - name: ours
    match: [ "corp.example/**", "!corp.example/old/**" ]
    require: { atLeast: { count: 1, of: [ key: { trustRoot: a }, allOf: [ key: { trustRoot: b } ] ] } }
    tags: { refresh: 1h }
`,
    { files: { 'a.pub': 'pem' } },
  );
  const specs: readonly RuleSpec[] = policies satisfies readonly RuleConfig[];
  t.match(specs, [
    {
      name: 'scratch',
      match: ['lab.local/**'],
      insecureAcceptAnything: true,
      reject: undefined,
      require: undefined,
      tags: { refresh: 300_000, maxStale: 86_400_000 },
      mode: 'enforce',
    },
    { name: 'never', reject: 'withdrawn', mode: 'audit' },
    {
      name: 'ours',
      match: ['corp.example/**', '!corp.example/old/**'],
      require: {
        atLeast: {
          count: 1,
          of: [{ key: { trustRoot: 'a' } }, { allOf: [{ key: { trustRoot: 'b' } }] }],
        },
      },
      tags: { refresh: 3_600_000, maxStale: 86_400_000 },
    },
  ]);
});

t.test('the result is frozen all the way down', async (t) => {
  const config = loadText(
    t,
    'upstreams: { ghcr.io: {} }\npolicies: [{ name: a, match: "**", reject: no }]',
  );
  for (const part of [
    config,
    config.listen,
    config.upstreams,
    config.upstreams[0],
    config.policies[0]?.match,
  ]) {
    t.ok(Object.isFrozen(part));
  }
});

t.test('anchors and aliases save repetition', async (t) => {
  const config = loadText(
    t,
    `
policies:
  - { name: a, match: a.example/**, reject: &why withdrawn }
  - { name: b, match: b.example/**, reject: *why }
`,
  );
  t.strictSame(
    config.policies.map(({ reject }) => reject),
    ['withdrawn', 'withdrawn'],
  );
});

t.test('both surfaces may leave their port to the system', async (t) => {
  const config = loadText(t, 'listen: { port: 0 }\nadmin: { port: 0 }');
  t.strictSame([config.listen.port, config.admin.port], [0, 0]);
});
