/** The dispatcher as other rooms use it: requests through it become ours, whatever they carried. */
import t from 'tap';
import { createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import { expectFailure, openFakeRegistry, openUpstream } from '../helpers/open-upstream.ts';

const CLIENT_HEADERS = {
  authorization: 'Basic Y2xpZW50OnNlY3JldA==',
  cookie: 'session=secret',
  'proxy-authorization': 'Basic Y2xpZW50OnNlY3JldA==',
  'x-forwarded-for': '192.168.0.7',
  'accept-encoding': 'gzip, zstd',
  'user-agent': 'docker/29',
  host: 'mirror.corp',
  accept: 'application/json',
};

t.test('a client is not recognisable behind us', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest('a', {}, { tag: 'v1' });
  const { dispatcher, url } = openUpstream(t, registry);
  for (const headers of [
    CLIENT_HEADERS,
    Object.entries(CLIENT_HEADERS),
    Object.entries(CLIENT_HEADERS).flat(),
    new Map(Object.entries(CLIENT_HEADERS)),
  ]) {
    const response = await dispatcher.request({
      origin: url,
      path: '/v2/a/tags/list?n=1',
      method: 'GET',
      headers,
    });
    t.match(await response.body.json(), { tags: ['v1'] });
    const sent = registry.requests.at(-1)?.headers;
    t.same(Object.keys(sent ?? {}).sort(), [
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
    t.equal(sent?.['accept-encoding'], 'identity');
    t.match(sent?.['user-agent'], /^countersign\//);
    t.equal(sent?.host, registry.host);
    t.equal(sent?.accept, 'application/json');
  }
});

t.test('tag lists are authenticated', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest('a/b', {}, { tag: 'v1' });
  const { dispatcher, url } = openUpstream(t, registry);
  const response = await dispatcher.request({
    origin: url.origin,
    path: '/v2/a/b/tags/list?n=5&last=x/manifests/y',
    method: 'GET',
    headers: { authorization: 'Bearer of-a-client' },
  });
  t.equal(response.statusCode, 200);
  await response.body.dump();
  t.equal(issuer.exchanges[0]?.parameters.get('scope'), 'repository:a/b:pull');
  for (const { headers } of registry.requests) t.not(headers.authorization, 'Bearer of-a-client');
});

t.test('failures are upstream errors', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'reset' });
  const { dispatcher, url } = openUpstream(t, registry);
  const get = (origin: string) => dispatcher.request({ origin, path: '/v2/', method: 'GET' });
  await expectFailure(t, get(url.origin), 'unreachable');
  await expectFailure(t, get('https://10.0.0.1'), 'refused-target');
  await expectFailure(t, get('http://cdn.test'), 'refused-target');
});
