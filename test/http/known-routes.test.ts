/** Routes that are remembered. */
import t from 'tap';
import { KnownRoutes } from '../../src/http/known-routes.ts';

const names = (...registries: readonly string[]) => ({
  has: (name: string): boolean => registries.includes(name),
  default: registries[0],
});
const URL = '/v2/lab.local/team/app/manifests/v1';

t.test('a URL is read once', async (t) => {
  let looked = 0;
  const upstreams = { has: (name: string) => ((looked += 1), name === 'lab.local'), default: '' };
  const routes = new KnownRoutes();
  const first = routes.find(URL, upstreams);
  t.match(first, {
    asked: URL,
    reference: { repository: { registry: 'lab.local', path: 'team/app' }, tag: 'v1' },
  });
  const before = looked;
  t.equal(routes.find(URL, upstreams), first);
  t.equal(looked, before);
});

t.test('what is not the manifest of a configured upstream is no route here', async (t) => {
  const routes = new KnownRoutes();
  const digest = `sha256:${'a'.repeat(64)}`;
  for (const url of [
    '/v2/',
    `/v2/lab.local/team/app/blobs/${digest}`,
    '/v2/lab.local/team/app/tags/list',
    '/v2/lab.local/team/app/manifests/-',
    '/v2/foreign.example/team/app/manifests/v1',
    '/v2/team/app/manifests/v1?ns=foreign.example',
    '/metrics',
    '',
  ]) {
    for (const turn of ['first', 'second']) {
      t.equal(routes.find(url, names('lab.local')), undefined, `${url}, ${turn}`);
    }
  }
});

t.test('other upstreams are other routes', async (t) => {
  const routes = new KnownRoutes();
  const [before, after] = [names('lab.local'), names('other.local')];
  t.ok(routes.find(URL, before));
  t.equal(routes.find(URL, after), undefined);
  const bare = '/v2/team/app/manifests/v1';
  t.equal(routes.find(bare, before)?.reference.repository.registry, 'lab.local');
  t.equal(routes.find(bare, after)?.reference.repository.registry, 'other.local');
});

t.test('no client fills the memory with URLs', async (t) => {
  const routes = new KnownRoutes();
  const upstreams = names('lab.local');
  const long = `${URL}?${'x'.repeat(600)}`;
  t.not(routes.find(long, upstreams), routes.find(long, upstreams), 'a long one is read each time');
  const first = routes.find(URL, upstreams);
  for (let each = 0; each < 10_000; each++) routes.find(`${URL}-${each}`, upstreams);
  t.not(routes.find(URL, upstreams), first, 'the oldest is forgotten');
});
