/**
 * Names become paths upstream and files on disk, so names are where `..` goes: plain, encoded, encoded twice, with
 * slashes encoded, empty components, NUL, or simply very long. Sent over a socket, since every client library
 * normalises some of it away.
 *
 * What is not a name by the distribution-spec's grammar is refused before anything is asked or written.
 */
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { putImage } from '../helpers/image.ts';
import { TEAM } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startProxy } from '../helpers/proxy.ts';
import { rawGet } from '../helpers/raw-http.ts';

/** Everything is accepted, so only the grammar can refuse. */
async function open(t: Test) {
  const registry = await openFakeRegistry(t);
  putImage(registry, TEAM, 'app', { tag: 'v1' });
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: [{ match: ['**'], insecureAcceptAnything: true }],
  });
  return { registry, proxy };
}

const DIGEST = `sha256:${'a'.repeat(64)}`;
const names = [
  '..',
  '../..',
  'team/../app',
  'team/..',
  './team',
  'team/./app',
  '%2e%2e',
  '%2e%2e%2fapp',
  'team%2f..%2fapp',
  '%252e%252e/app',
  'team%2f%2fapp',
  'team//app',
  '/team',
  'team/',
  'team%00',
  'team%0d%0aX:%20y',
  'team%20app',
  'team%5capp',
  '..%5c..%5capp',
  'Team/app',
  'TEAM',
  'te%c3%a4m/app',
  '.hidden',
  'team/-app',
  'team/app-',
  'team/a..b',
  'team/a___b',
  'team/app@v1',
  'team;x=y/app',
  '~root/app',
  '%ff%fe',
  'a/'.repeat(130) + 'a',
  'a'.repeat(256),
];
const targets = [
  ...names.flatMap((name) => [
    `/v2/${name}/manifests/v1`,
    `/v2/lab.local/${name}/blobs/${DIGEST}`,
    `/v2/${name}/tags/list`,
  ]),
  ...['..', '%2e%2e', '..%2f..', '.v1', '-v1', 'v1%00', 'v1%0a', 'v%31%2f', 'a'.repeat(129)].map(
    (tag) => `/v2/${TEAM}/manifests/${tag}`,
  ),
  ...['sha256:..', 'sha256:../../x', 'md5:aa', DIGEST.toUpperCase(), `${DIGEST}0`, `${DIGEST}%00`]
    .flatMap((digest) => [digest, digest.replaceAll('/', '%2f')])
    .flatMap((digest) => [`manifests/${digest}`, `blobs/${digest}`, `referrers/${digest}`])
    .map((what) => `/v2/${TEAM}/${what}`),
  `/v2/../v2/${TEAM}/manifests/..`,
  `/v2/${TEAM}/manifests/../blobs/${DIGEST}/..`,
  `//v2/${TEAM}/manifests/v1`,
  `/../v2/${TEAM}/manifests/v1`,
  `/..%2fv2/${TEAM}/manifests/v1`,
  `/etc/passwd`,
  `/v2/%`,
  `/v2/%zz/manifests/v1`,
  `/v2/${TEAM}/manifests/v1%`,
  `/v2/${TEAM}/tags/../list`,
  `/v2/${TEAM}/tags/other`,
  `/v2/${TEAM}/uploads/${DIGEST}`,
  `/v2/_catalog`,
];

t.test('what is no name reaches neither upstream nor disk', async (t) => {
  const { registry, proxy } = await open(t);
  const before = readdirSync(proxy.path, { recursive: true });
  for (const target of targets) {
    const { status, body, phrase } = await rawGet(proxy.url, target);
    t.ok(status === 400 || status === 404, `${target.slice(0, 80)} is ${status} ${phrase}`);
    t.match(JSON.parse(body.toString()), { errors: [{ code: /^(NAME|DIGEST)_/ }] });
  }
  t.strictSame(registry.requests, [], 'nothing was asked');
  t.strictSame(readdirSync(proxy.path, { recursive: true }), before, 'nothing was written');
});

t.test('requests that are no HTTP end without a word to upstream', async (t) => {
  const { registry, proxy } = await open(t);
  for (const target of [
    `/v2/${TEAM}/manifests/\0`,
    `/v2/${TEAM}/manifests/v1 x`,
    `/v2/${'a'.repeat(20_000)}/manifests/v1`,
  ]) {
    const { status } = await rawGet(proxy.url, target);
    t.ok(status === 400 || status === 431, `${status}`);
  }
  t.strictSame(registry.requests, []);
});

t.test('an encoded colon or slash still names the same thing', async (t) => {
  const { registry, proxy } = await open(t);
  const digest = registry.manifest(TEAM, 'v1')?.digest ?? '';
  for (const target of [
    `/v2/${TEAM}/manifests/${digest.replace(':', '%3A')}`,
    `/v2/${TEAM.replace('/', '%2F')}/manifests/v1`,
  ]) {
    t.equal((await rawGet(proxy.url, target)).status, 200);
  }
  for (const { url } of registry.requests) t.notMatch(url, /%/);
});
