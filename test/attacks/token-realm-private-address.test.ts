/**
 * A registry answers 401 and names as its token service an address inside our network: the cloud's metadata service,
 * a database's HTTP port, the proxy's own admin surface. A client that follows sends a request of the attacker's
 * choosing from a trusted place (server-side request forgery), and with credentials configured it even sends those.
 *
 * Countersign goes to a realm only where it would follow a redirect to: HTTPS, public addresses, or hosts that this
 * upstream's configuration names. Nothing is sent, and no credentials are read.
 */
import t from 'tap';
import { createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

t.test('a realm inside our network gets neither a request nor credentials', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t);
  const plain = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const secure = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer }, tls: true });
  const port = secure.host.slice(secure.host.indexOf(':'));
  const lookedUp: string[] = [];
  const upstream = openUpstream(t, registry, {
    credentials: { kind: 'basic', username: 'mirror', password: async () => 'secret' },
    lookup(hostname, _options, callback) {
      lookedUp.push(hostname);
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    },
  });
  for (const realm of [
    `${plain.url}/token`,
    `${secure.url}/token`,
    `https://2130706433${port}/token`,
    `https://0x7f.1${port}/token`,
    `https://[::1]${port}/token`,
    `https://[::ffff:127.0.0.1]${port}/token`,
    `https://token.test${port}/token`,
    'https://169.254.169.254/latest/meta-data/iam',
    'http://169.254.169.254/latest/meta-data/iam',
    'https://192.168.0.1/',
    'https://[fd00::1]/',
  ]) {
    registry.auth = { kind: 'bearer', issuer, realm };
    const error = await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'refused-target');
    t.match(error.message, /registry\.test/, realm);
  }
  t.same(lookedUp, ['token.test'], 'a name is judged by what it resolves to');
  t.equal(plain.requests.length, 0);
  t.equal(secure.requests.length, 0);
  t.equal(issuer.exchanges.length, 0);
});

t.test('a public realm cannot send us there by a redirect either', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const inside = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer }, tls: true });
  registry.fault(/token/, { kind: 'redirect', to: `${inside.url}/token` });
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'refused-target');
  t.equal(inside.requests.length, 0);
});
