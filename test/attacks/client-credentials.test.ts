/**
 * Clients send a mirror what they have for the registry behind it: Docker's classic store its Docker Hub password
 * (moby #42022), containerd a kubelet's pull secret. A proxy that passes it on hands it to whichever upstream the name
 * leads to; one that passes on anything else of the request lets clients speak for the proxy.
 *
 * Nothing of a client's request leaves but the name of what it asks for.
 */
import t from 'tap';
import { openLab, TEAM } from '../helpers/lab.ts';
import { cosign3 } from '../helpers/signer.ts';

const SECRET = 'c2VjcmV0OnNlY3JldA==';
const HEADERS = {
  accept: 'application/evil',
  'accept-encoding': 'gzip',
  'accept-language': SECRET,
  authorization: `Basic ${SECRET}`,
  cookie: `session=${SECRET}`,
  forwarded: `for=${SECRET}`,
  'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT',
  origin: `http://${SECRET}`,
  'proxy-authorization': `Basic ${SECRET}`,
  referer: `http://${SECRET}/`,
  'user-agent': SECRET,
  'x-forwarded-for': SECRET,
  'x-registry-auth': SECRET,
};
const OURS = new Set(['accept', 'accept-encoding', 'connection', 'host', 'range', 'user-agent']);

t.test('no header of the client reaches the upstream, whatever is asked for', async (t) => {
  const { registry, proxy, image, signed, signer } = await openLab(t, {
    registry: { referrersApi: true },
  });
  const old = signed('old', { tag: 'old' });
  const now = image('now', { tag: 'now' });
  cosign3(registry, TEAM, now, signer);
  for (const what of [
    'manifests/old',
    `manifests/${now.digest}`,
    'manifests/absent',
    `manifests/${old.digest.replace(':', '-')}.sig`,
    `blobs/${old.config}`,
    `referrers/${now.digest}`,
    'tags/list?n=5',
  ]) {
    const target = `/v2/lab.local/${TEAM}/${what}`;
    const secret = `${target}${what.includes('?') ? '&' : '?'}token=${SECRET}`;
    await proxy.get(secret, HEADERS);
    await proxy.head(secret, HEADERS);
  }
  t.ok(registry.requests.length > 10, `${registry.requests.length} requests`);
  for (const { method, url, headers, body } of registry.requests) {
    t.notMatch(JSON.stringify([url, headers, body]), SECRET, `${method} ${url}`);
    t.strictSame(
      Object.keys(headers).filter((name) => !OURS.has(name)),
      [],
      url,
    );
    t.equal(headers['accept-encoding'], 'identity');
    t.notMatch(headers.accept, 'evil');
  }
});

t.test('the credentials of a client are in no answer and no event', async (t) => {
  const { proxy, signed } = await openLab(t);
  signed('app', { tag: 'v1' });
  for (const what of ['manifests/v1', 'manifests/absent', 'tags/list', 'blobs/x']) {
    const answer = await proxy.get(`/v2/lab.local/${TEAM}/${what}?token=${SECRET}`, HEADERS);
    t.notMatch(JSON.stringify(answer.headers), SECRET);
    t.notMatch(answer.body.toString(), SECRET);
  }
  t.notMatch(JSON.stringify(proxy.pulls), SECRET);
});
