/**
 * A proxy that takes the registry's name from the request is an open relay: `ns` (containerd, BuildKit), the first part
 * of the path, the Host header or an absolute request target name a host inside the network or an attacker's own
 * registry, and the proxy fetches from there (server-side request forgery).
 *
 * Only configured upstreams exist here. What names another is refused before any request leaves, and what names two
 * is refused too, configured or not.
 */
import t, { type Test } from 'tap';
import { putImage } from '../helpers/image.ts';
import { TEAM } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startProxy } from '../helpers/proxy.ts';
import { rawGet, rawRequest } from '../helpers/raw-http.ts';

/** Everything is accepted, so only the names can refuse. */
async function open(t: Test) {
  const registry = await openFakeRegistry(t);
  const second = await openFakeRegistry(t);
  const evil = await openFakeRegistry(t);
  putImage(registry, TEAM, 'app', { tag: 'v1' });
  putImage(evil, TEAM, 'evil', { tag: 'v1' });
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry, 'kiln.local': second },
    policies: [{ match: ['**'], insecureAcceptAnything: true }],
  });
  const silent = () => [...registry.requests, ...second.requests, ...evil.requests].length === 0;
  return { registry, evil, proxy, silent };
}

const foreign: Readonly<Record<string, (host: string) => string>> = {
  'ns names it': (host) => `/v2/${TEAM}/manifests/v1?ns=${host}`,
  'ns names it beside a configured prefix': (host) =>
    `/v2/lab.local/${TEAM}/manifests/v1?ns=${host}`,
  'ns names it in encoded form': (host) =>
    `/v2/${TEAM}/manifests/v1?ns=${host.replace(':', '%3A')}`,
  'ns names it as a URL': (host) => `/v2/${TEAM}/manifests/v1?ns=http://${host}`,
  'ns is empty': () => `/v2/${TEAM}/manifests/v1?ns=`,
  'the path begins with it': (host) => `/v2/${host}/${TEAM}/manifests/v1`,
  'the path begins with it and /v2/': (host) => `/${host}/v2/${TEAM}/manifests/v1`,
  'blobs are asked for': (host) => `/v2/${host}/${TEAM}/blobs/sha256:${'a'.repeat(64)}`,
  'referrers are asked for': (host) => `/v2/${host}/${TEAM}/referrers/sha256:${'a'.repeat(64)}`,
  'tags are asked for': (host) => `/v2/${TEAM}/tags/list?ns=${host}`,
  'the base is asked for': (host) => `/${host}/v2/`,
};

for (const [what, target] of Object.entries(foreign)) {
  t.test(`a host that is not configured gets no request where ${what}`, async (t) => {
    const { evil, proxy, silent } = await open(t);
    const answer = await proxy.get(target(evil.host));
    t.equal(answer.status, 404, JSON.stringify(answer.error));
    t.equal(answer.error?.code, 'NAME_UNKNOWN');
    t.ok(silent(), 'no request left');
  });
}

const twofold: Readonly<Record<string, string>> = {
  'ns and prefix name different upstreams': `/v2/lab.local/${TEAM}/manifests/v1?ns=kiln.local`,
  'host and prefix name different upstreams': `/kiln.local/v2/lab.local/${TEAM}/manifests/v1`,
  'host and ns name different upstreams': `/kiln.local/v2/${TEAM}/manifests/v1?ns=lab.local`,
  'host is configured and ns is not': `/lab.local/v2/${TEAM}/manifests/v1?ns=evil.test`,
  'two ns name different upstreams': `/v2/${TEAM}/manifests/v1?ns=lab.local&ns=kiln.local`,
  'one of two ns is not configured': `/v2/${TEAM}/manifests/v1?ns=lab.local&ns=evil.test`,
};

for (const [what, target] of Object.entries(twofold)) {
  t.test(`nothing is asked where ${what}`, async (t) => {
    const { proxy, silent } = await open(t);
    const answer = await proxy.get(target);
    t.match(answer.error, { code: /^NAME_(INVALID|UNKNOWN)$/ });
    t.ok(silent(), 'no request left');
  });
}

t.test('the Host header names no upstream', async (t) => {
  const { registry, evil, proxy } = await open(t);
  const answer = await rawGet(proxy.url, `/v2/${TEAM}/manifests/v1`, [`Host: ${evil.host}`]);
  t.equal(answer.status, 200, 'the default upstream answers');
  t.ok(registry.requests.length > 0);
  t.equal(evil.requests.length, 0);
});

for (const scheme of ['http', 'https']) {
  t.test(`an absolute request target with ${scheme} names no upstream`, async (t) => {
    const { evil, proxy, silent } = await open(t);
    const target = `${scheme}://${evil.host}/v2/${TEAM}/manifests/v1`;
    const answer = await rawGet(proxy.url, target);
    t.equal(answer.status, 404);
    t.ok(silent(), 'no request left');
  });
}

t.test('CONNECT opens no tunnel', async (t) => {
  const { evil, proxy, silent } = await open(t);
  const answer = await rawRequest(
    proxy.url,
    `CONNECT ${evil.host} HTTP/1.1\r\nHost: ${evil.host}\r\nConnection: close\r\n\r\n`,
  );
  t.not(answer.status, 200);
  t.ok(silent(), 'no request left');
});

t.test('an ns that only lower-cases to a configured name is not echoed', async (t) => {
  const { proxy } = await open(t);
  // U+212A KELVIN SIGN becomes k in lower case.
  const { status, headers } = await proxy.get(`/v2/${TEAM}/manifests/v1?ns=%E2%84%AAiln.local`);
  t.equal(status, 404);
  t.equal(headers['oci-namespace'], undefined);
});

t.test('what is echoed as OCI-Namespace is a configured name', async (t) => {
  const { proxy } = await open(t);
  for (const target of [
    `/lab.local/v2/${TEAM}/manifests/v1?ns=a%0d%0aset-cookie:%20x`,
    `/v2/${TEAM}/manifests/v1?ns=lab.local%0d%0aset-cookie:%20x`,
    `/lab.local/v2/${TEAM}/manifests/v1?ns=evil.test`,
  ]) {
    const { status, headers } = await proxy.get(target);
    t.ok(status === 400 || status === 404, `${status}`);
    t.equal(headers['oci-namespace'], undefined);
    t.equal(headers['set-cookie'], undefined);
  }
  const good = await proxy.get(`/v2/${TEAM}/manifests/v1?ns=LAB.local`);
  t.equal(good.headers['oci-namespace'], 'LAB.local');
});
