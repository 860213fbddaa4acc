/** `offline: true` through the whole program: what is cached is served for ever, and nobody is connected to. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { openRevocation } from '../../src/app/revocation.ts';
import { inspectRules } from '../../src/app/rules.ts';
import type { Config } from '../../src/config/config.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { jws, openNotation } from '../attacks/notation.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import {
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  PURPOSES,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { startRevocationServer } from '../helpers/notation/revocation-server.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { startTufServer } from '../helpers/tuf-repository.ts';
import { lists } from '../verify/notation/revocation/made-revocation.ts';
import { testdir } from '../helpers/testdir.ts';

const TEAM = 'team/app';
const YEAR = 365 * 24 * 3_600_000;
const logger = pino({ level: 'silent' });

/** Somewhere to connect to, and how often that was done. */
async function startTrap(t: Test): Promise<{ readonly url: string; readonly connections: number }> {
  const counted = { url: '', connections: 0 };
  const server = createServer((socket) => {
    counted.connections += 1;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  counted.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return counted;
}

/** An image that was pulled by tag, one that was not, and the program on the same cache ever again. */
async function setUp(t: Test) {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const pulled = putImage(registry, TEAM, 'pulled', { tag: 'v1' });
  const other = putImage(registry, TEAM, 'other', { tag: 'v2' });
  for (const { digest } of [pulled, other]) cosign2(registry, TEAM, digest, signer);
  // Not the test's own folder, which is emptied for each configuration.
  const path = mkdtempSync(join(tmpdir(), 'countersign-offline-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  const tuf = await startTufServer(t);
  const state = { now: Date.UTC(2026, 0, 1) };

  function configure(more: string, place: string, upstream = ''): Config {
    return loadText(
      t,
      `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${path}, prefetch: 4 }
${more}
upstreams:
  lab.local:
    url: "${place}"
    insecureHttp: true
    mirrors: [{ url: "${place.replace('127.0.0.1', 'localhost')}", insecureHttp: true, tags: true }]
    ${upstream}
trustRoots:
  release: { publicKeys: [./release.pub] }
  theirs: { sigstore: { tuf: { mirror: "${tuf.url}", rootFile: root.json, insecureHttp: true } } }
policies:
  - name: theirs
    match: lab.local/theirs/**
    require:
      sigstore: { trustRoot: theirs, identities: [{ issuer: "https://a.example", subject: b }] }
  - { name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }
`,
      {
        inspect: inspectRules,
        files: { 'release.pub': signer.publicPem, 'root.json': tuf.initialRoot.toString() },
      },
    );
  }

  async function start(config: Config) {
    const nothing = (): void => undefined;
    const app = await startApp(config, {
      logger,
      observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
      clock: () => state.now,
    });
    t.teardown(() => app.close());
    const get = async (what: string, repository = TEAM) => {
      const { statusCode, headers, body } = await request(
        `${app.url}/v2/lab.local/${repository}/${what}`,
      );
      return { status: statusCode, headers, text: await body.text() };
    };
    return { app, get };
  }

  return { registry, pulled, other, tuf, state, configure, start };
}

for (const [which, more, upstream] of [
  ['as a whole', 'offline: true', ''],
  ['for the upstream', '', 'offline: true'],
] as const) {
  t.test(`offline ${which}: what was pulled is served for ever, nobody is asked`, async (t) => {
    const { registry, pulled, other, tuf, state, configure, start } = await setUp(t);
    const online = await start(configure('', registry.url));
    t.equal((await online.get('manifests/v1')).status, 200);
    for (const layer of pulled.layers) {
      t.equal((await online.get(`blobs/${layer}`)).status, 200);
    }
    await online.app.close();
    const asked = tuf.asked.length;
    const trap = await startTrap(t);
    const config = configure(more, trap.url, upstream);
    const { app, get } = await start(config);
    t.strictSame(app.upstreamStatus(), []);
    for (const later of [0, 3_600_000, YEAR, -2 * YEAR]) {
      state.now += later;
      for (const what of [
        'manifests/v1',
        `manifests/${pulled.digest}`,
        `blobs/${pulled.layers[0] ?? ''}`,
      ]) {
        const { status, headers, text } = await get(what);
        t.equal(status, 200, text);
        t.equal(headers['warning'], undefined);
      }
    }
    for (const what of ['manifests/v2', `manifests/${other.digest}`]) {
      const { status, headers, text } = await get(what);
      t.equal(status, 503, what);
      t.match(
        text,
        /UNAVAILABLE.*lab\.local is configured offline, so it is not asked\. Only what/,
      );
      t.equal(headers['retry-after'], undefined, 'waiting does not help');
    }
    const head = await request(`${app.url}/v2/lab.local/${TEAM}/manifests/v2`, { method: 'HEAD' });
    await head.body.dump();
    t.match(head.statusText, /by countersign: the upstream is configured offline$/);
    const tags = await get('tags/list');
    t.equal(tags.text, JSON.stringify({ name: TEAM, tags: ['v1'] }), 'what is pinned');
    t.equal((await get('tags/list', 'theirs/app')).status, 503, 'nothing is known of it');
    t.equal((await get(`referrers/${pulled.digest}`)).status, 503);
    t.equal((await get('manifests/v1', 'theirs/app')).status, 503);

    const verifier = await openVerifier(config, logger);
    const { decision } = await verifier.decide(parseReference(`lab.local/${TEAM}:v1`));
    t.match(decision, { outcome: 'refused', code: 'unreachable', reasons: [/configured offline/] });
    await verifier.close();

    t.equal(trap.connections, 0);
    t.equal(registry.asked(/v2$/).length, 0);
    if (more !== '') t.equal(tuf.asked.length, asked, 'nor the server of a trust root');
  });
}

t.test('who is put online again by a reload asks again', async (t) => {
  const { registry, configure, start } = await setUp(t);
  const { app, get } = await start(configure('offline: true', registry.url));
  t.equal((await get('manifests/v1')).status, 503);
  t.equal(registry.requests.length, 0);
  t.strictSame(await app.reload(configure('', registry.url)), []);
  t.equal((await get('manifests/v1')).status, 200);
  t.match(app.upstreamStatus(), [{ upstream: 'lab.local' }, { upstream: 'mirror of lab.local' }]);
});

t.test('offline, nobody is asked whether certificates were taken back', async (t) => {
  const server = await startRevocationServer(t);
  const ca = issueNotationAuthority('root');
  const signer = issueSigner({
    issuer: ca,
    extensions: [
      keyUsage(['digitalSignature']),
      extendedKeyUsage([PURPOSES.codeSigning]),
      lists(`http://${server.host}/list`),
    ],
  });
  const revocation = openRevocation({ cache: { path: testdir(t) }, offline: true });
  t.teardown(() => revocation.close());
  const root = rootOfStores({ ca: [ca] }, { privateHosts: [server.host] });
  const { put, pull } = await openNotation(t, { root, revocation: revocation.check });
  t.match(
    await pull(put(jws(signer))),
    /^503 UNAVAILABLE .*the configuration says offline, so nobody is asked/,
  );
  t.equal(server.connections, 0);
});
