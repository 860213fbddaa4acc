/**
 * A registry, or somebody who can make it answer, redirects a blob or a token request to a host of the attacker's. A
 * client that keeps its headers across the redirect delivers its token or password (CVE-2020-15157, containerd;
 * CVE-2022-31090 and its kin in HTTP libraries). The attacker's host may also answer 401 with a challenge of its own
 * and hope to be logged in to.
 *
 * Countersign adds credentials to requests for the upstream's own origin alone, each hop anew, and hears challenges
 * from nobody else. The scheme and the port belong to the origin.
 */
import t from 'tap';
import { basic, createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  readAll,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

const CREDENTIALS = { kind: 'basic', username: 'mirror', password: async () => 'secret' } as const;
const LOGIN = { username: 'mirror', password: 'secret' };

t.test('a token is not carried to another origin', async (t) => {
  const issuer = createTokenIssuer(LOGIN);
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const attacker = await openFakeRegistry(t);
  const digest = registry.putBlob(REPOSITORY, 'hello');
  attacker.putBlob(REPOSITORY, 'hello');
  registry.fault(
    ({ url, headers }) => url.includes('/blobs/') && headers.authorization !== undefined,
    { kind: 'redirect', to: `${attacker.url}/v2/${REPOSITORY}/blobs/${digest}` },
  );
  const upstream = openUpstream(t, registry, {
    credentials: CREDENTIALS,
    privateHosts: [attacker.host],
  });
  const { body } = await upstream.openBlob(REPOSITORY, digest);
  t.equal((await readAll(body)).toString(), 'hello');
  t.equal(registry.asked(/blobs/).at(-1)?.headers.authorization, 'Bearer fake-token-1');
  t.equal(attacker.requests.length, 1);
  t.equal(attacker.requests[0]?.headers.authorization, undefined);
});

t.test('a password is not carried to another origin, nor given to one that asks', async (t) => {
  const auth = { kind: 'basic', ...LOGIN } as const;
  const registry = await openFakeRegistry(t, { auth });
  const attacker = await openFakeRegistry(t, { auth });
  const to = `${attacker.url}/v2/${REPOSITORY}/manifests/v1`;
  const upstream = openUpstream(t, registry, {
    credentials: CREDENTIALS,
    privateHosts: [attacker.host],
  });
  registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  await upstream.fetchManifest(REPOSITORY, 'v1');
  registry.fault(/./, { kind: 'redirect', to });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(attacker.requests.length, 1, 'its 401 was not answered');
  t.equal(attacker.requests[0]?.headers.authorization, undefined);
});

t.test('a challenge of another origin is not answered with a token either', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t);
  const attacker = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.fault(/./, { kind: 'redirect', to: `${attacker.url}/v2/${REPOSITORY}/manifests/v1` });
  const upstream = openUpstream(t, registry, {
    credentials: CREDENTIALS,
    privateHosts: [attacker.host],
  });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(issuer.exchanges.length, 0);
});

t.test('the login at a token service is not carried to another origin', async (t) => {
  const issuer = createTokenIssuer(LOGIN);
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const thief = createTokenIssuer(LOGIN);
  const attacker = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer: thief } });
  registry.fault(/token/, { kind: 'redirect', to: `${attacker.url}/token` });
  const upstream = openUpstream(t, registry, {
    credentials: CREDENTIALS,
    privateHosts: [attacker.host],
  });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(registry.asked(/token/)[0]?.headers.authorization, basic('mirror', 'secret'));
  t.equal(attacker.requests.length, 1);
  t.equal(attacker.requests[0]?.headers.authorization, undefined);
});
