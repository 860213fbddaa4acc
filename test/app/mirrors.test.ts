/** Mirrors through the whole program: from the file to the request, and whose credentials go where. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { request } from 'undici';
import { startApp } from '../../src/app.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { basic } from '../helpers/fake-registry-auth.ts';
import { testCertificate } from '../helpers/fake-registry.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { testdir } from '../helpers/testdir.ts';

const TEAM = 'team/app';

t.test('a mirror gets its own credentials or none, never those of the upstream', async (t) => {
  const kind = 'basic' as const;
  const own = { kind, username: 'us', password: 'secret' };
  const theirs = { kind, username: 'guest', password: 'welcome' };
  const registry = await openFakeRegistry(t, { auth: own });
  // These ask who we are, and would take the upstream's word for it.
  const greedy = await openFakeRegistry(t, { auth: own });
  const shared = await openFakeRegistry(t, { auth: own });
  const mirror = await openFakeRegistry(t, { auth: theirs, tls: true });
  const signer = createSigner();
  const { layers } = putImage(registry, TEAM, 'app', { tag: 'v1' });
  for (const other of [greedy, shared, mirror]) putImage(other, TEAM, 'app');
  const digest = registry.manifest(TEAM, 'v1')?.digest;
  if (digest === undefined) throw new Error('expected a manifest');
  cosign2(registry, TEAM, digest, signer);
  // One file knows the upstream under its name; what it does not know is the mirror under its host.
  const auth = Buffer.from('us:secret').toString('base64');
  const docker = JSON.stringify({ auths: { 'lab.local': { auth } } });

  const config = loadText(
    t,
    `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${join(testdir(t), 'cache')} }
upstreams:
  lab.local:
    url: "${registry.url}"
    insecureHttp: true
    credentials: { username: us, password: "\${SECRET}" }
    mirrors:
      - { url: "${greedy.url}", insecureHttp: true }
      - { url: "${shared.url}", insecureHttp: true, credentials: { dockerConfigFile: docker.json } }
      - url: "${mirror.url}"
        tls: { caFile: ca.pem }
        credentials: { username: guest, passwordFile: guest }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
`,
    {
      env: { SECRET: 'secret' },
      inspect: inspectRules,
      files: {
        'release.pub': signer.publicPem,
        'ca.pem': testCertificate(),
        'docker.json': docker,
        guest: 'welcome\n',
      },
    },
  );
  const nothing = (): void => undefined;
  const warned: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warned.push(line) });
  const app = await startApp(config, {
    logger,
    observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
  });
  t.teardown(() => app.close());
  const get = async (what: string): Promise<string> => {
    const { statusCode, body } = await request(`${app.url}/v2/lab.local/${TEAM}/${what}`);
    return `${statusCode} ${(await body.text()).slice(0, 14)}`;
  };
  t.match(await get('manifests/v1'), /^200 /);
  registry.fault(/blobs/, { kind: 'status', status: 500 });
  t.equal(await get(`blobs/${layers[0] ?? ''}`), '200 layer of app');
  t.equal(await get('tags/list'), '200 {"name":"team/', 'tag lists come from the upstream');

  const sent = ({ requests }: typeof registry) =>
    new Set(requests.map(({ headers }) => headers.authorization));
  t.strictSame(sent(greedy), new Set([undefined]));
  t.strictSame(sent(shared), new Set([undefined]));
  t.strictSame(sent(mirror), new Set([undefined, basic('guest', 'welcome')]));
  t.notOk([...sent(registry)].includes(basic('guest', 'welcome')));
  t.strictSame(mirror.asked(/tags|\.sig/), []);
  t.match(warned.join(''), `"url":"${greedy.url}"`);
  t.notMatch(warned.join(''), /secret|welcome/);

  writeFileSync(join(config.file, '../ca.pem'), 'nothing');
  t.match(inspectRules(config), [
    { path: ['upstreams', 'lab.local', 'mirrors', 2, 'tls', 'caFile'], message: /PEM/ },
  ]);
});
