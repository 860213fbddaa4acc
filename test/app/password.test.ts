/** What the registry says to the wrong password, or of what is not there yet: who notices, and when it is asked again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { createTokenIssuer, type FakeAuth } from '../helpers/fake-registry-auth.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { testdir } from '../helpers/testdir.ts';

const TEAM = 'team/app';
const nothing = (): void => undefined;

const kinds: Readonly<Record<string, (password: string) => FakeAuth>> = {
  Basic: (password) => ({ kind: 'basic', username: 'us', password }),
  Bearer: (password) => ({
    kind: 'bearer',
    issuer: createTokenIssuer({ username: 'us', password }),
  }),
};

for (const [scheme, guard] of Object.entries(kinds)) {
  t.test(`a password that changed costs no pull, and heals at once (${scheme})`, async (t) => {
    const registry = await openFakeRegistry(t, { auth: guard('old') });
    const signer = createSigner();
    const pulled = putImage(registry, TEAM, 'pulled', { tag: 'v1' });
    const other = putImage(registry, TEAM, 'other', { tag: 'v2' });
    for (const { digest } of [pulled, other]) cosign2(registry, TEAM, digest, signer);
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
    credentials: { username: us, passwordFile: ./password }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies:
  - name: releases
    match: lab.local/**
    require: { key: { trustRoot: release } }
    tags: { refresh: 1m, maxStale: 1h }
`,
      {
        inspect: inspectRules,
        files: { 'release.pub': signer.publicPem, password: 'old\n' },
      },
    );
    let now = Date.UTC(2026, 0, 1);
    const app = await startApp(config, {
      logger: pino({ level: 'silent' }),
      observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
      clock: () => now,
    });
    t.teardown(() => app.close());
    const get = async (what: string) => {
      const { statusCode, headers, body } = await request(
        `${app.url}/v2/lab.local/${TEAM}/${what}`,
      );
      await body.dump();
      return { status: statusCode, warning: headers['warning'] };
    };
    t.strictSame(await get('manifests/v1'), { status: 200, warning: undefined });
    for (const layer of pulled.layers) t.equal((await get(`blobs/${layer}`)).status, 200);

    registry.auth = guard('new');
    registry.clearRequests();
    t.strictSame(await get('manifests/v1'), { status: 200, warning: undefined });
    t.equal((await get(`manifests/${pulled.digest}`)).status, 200);
    t.equal((await get(`blobs/${pulled.layers[0] ?? ''}`)).status, 200);
    t.strictSame(registry.requests, [], 'digests and fresh pins never notice');
    now += 120_000;
    const stale = await get('manifests/v1');
    t.equal(stale.status, 200);
    t.match(stale.warning, /^299 - "stale: .*got 401/);
    t.equal((await get('manifests/v2')).status, 403);
    const asked = registry.requests.length;
    for (let time = 0; time < 20; time++) t.equal((await get('manifests/v2')).status, 403);
    t.equal(registry.requests.length, asked, 'who hammers does not reach the registry');
    t.match(app.upstreamStatus(), [{ isOpen: false, openRepositories: 0, isLimited: false }]);

    writeFileSync(join(config.file, '../password'), 'new\n');
    t.equal((await get('manifests/v2')).status, 200, 'at the same moment');
    // What was served stale is remembered for ten seconds.
    now += 10_000;
    t.strictSame(await get('manifests/v1'), { status: 200, warning: undefined });
  });
}

t.test('a command that looks for itself remembers no absence', async (t) => {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const config = loadText(
    t,
    `
cache: { path: ${join(testdir(t), 'cache')} }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
`,
    { inspect: inspectRules, files: { 'release.pub': signer.publicPem } },
  );
  const verifier = await openVerifier(config, pino({ level: 'silent' }));
  t.teardown(() => verifier.close());
  const decide = async (): Promise<string> => {
    const { decision } = await verifier.decide(parseReference(`lab.local/${TEAM}:v1`));
    return decision.outcome === 'refused' ? decision.code : decision.outcome;
  };
  t.equal(await decide(), 'absent');
  const { digest } = putImage(registry, TEAM, 'app', { tag: 'v1' });
  cosign2(registry, TEAM, digest, signer);
  t.equal(await decide(), 'admitted');
});
