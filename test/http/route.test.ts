/** The four ways to name an upstream, what of it is asked for, and what is no name at all. */
import t from 'tap';
import { parseRoute, type UpstreamNames } from '../../src/http/route.ts';
import { formatReference, formatRepository } from '../../src/oci/reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const names = new Set(['docker.io', 'lab.local', 'lab.local:5000', 'hub']);
const upstreams: UpstreamNames = { has: (name) => names.has(name), default: 'docker.io' };

/** The route or error in one line. */
function read(url: string, known = upstreams): string {
  const route = parseRoute(url, known);
  if (!('kind' in route)) return `${route.status} ${route.code}`;
  switch (route.kind) {
    case 'base':
      return 'base';
    case 'manifest':
      return `manifest ${formatReference(route.reference)}`;
    case 'tags':
      return `tags ${formatRepository(route.repository)}`;
    default:
      return `${route.kind} ${formatRepository(route.repository)}@${route.digest}`;
  }
}

const routes: readonly (readonly [string, string])[] = [
  ['/v2/', 'base'],
  ['/v2', 'base'],
  ['/v2/?ns=lab.local', 'base'],
  ['/lab.local/v2/', 'base'],
  ['/lab.local/v2', 'base'],
  ['/v2/lab.local/team/app/manifests/v1', 'manifest lab.local/team/app:v1'],
  ['/v2/team/app/manifests/v1?ns=lab.local', 'manifest lab.local/team/app:v1'],
  ['/lab.local/v2/team/app/manifests/v1', 'manifest lab.local/team/app:v1'],
  ['/v2/team/app/manifests/v1', 'manifest docker.io/team/app:v1'],
  ['/v2/alpine/manifests/v1', 'manifest docker.io/library/alpine:v1'],
  ['/v2/docker.io/alpine/manifests/v1', 'manifest docker.io/library/alpine:v1'],
  ['/docker.io/v2/alpine/manifests/v1', 'manifest docker.io/library/alpine:v1'],
  ['/v2/library/alpine/manifests/v1?ns=docker.io', 'manifest docker.io/library/alpine:v1'],
  ['/v2/index.docker.io/alpine/manifests/v1', 'manifest docker.io/library/alpine:v1'],
  ['/v2/alpine/manifests/v1?ns=registry-1.docker.io', 'manifest docker.io/library/alpine:v1'],
  ['/v2/LAB.Local/team/app/manifests/v1', 'manifest lab.local/team/app:v1'],
  ['/v2/lab.local:5000/app/manifests/v1', 'manifest lab.local:5000/app:v1'],
  ['/v2/app/manifests/v1?ns=lab.local:5000', 'manifest lab.local:5000/app:v1'],
  ['/v2/app/manifests/v1?ns=lab.local%3A5000', 'manifest lab.local:5000/app:v1'],
  ['/lab.local:5000/v2/app/manifests/v1', 'manifest lab.local:5000/app:v1'],
  ['/v2/hub/app/manifests/v1', 'manifest hub/app:v1'],
  ['/v2/lab.local/app/manifests/v1?ns=lab.local', 'manifest lab.local/app:v1'],
  ['/lab.local/v2/lab.local/app/manifests/v1?ns=lab.local', 'manifest lab.local/app:v1'],
  ['/v2/app/manifests/v1?ns=lab.local&ns=lab.local', 'manifest lab.local/app:v1'],
  [`/v2/lab.local/app/manifests/${DIGEST}`, `manifest lab.local/app@${DIGEST}`],
  [`/v2/lab.local/app/manifests/${DIGEST.replace(':', '%3a')}`, `manifest lab.local/app@${DIGEST}`],
  [`/v2/lab.local/app/blobs/${DIGEST}`, `blob lab.local/app@${DIGEST}`],
  [`/lab.local/v2/a/b/c/blobs/${DIGEST}`, `blob lab.local/a/b/c@${DIGEST}`],
  [`/v2/app/referrers/${DIGEST}?ns=lab.local`, `referrers lab.local/app@${DIGEST}`],
  ['/v2/lab.local/app/tags/list?n=3', 'tags lab.local/app'],
  ['/v2/lab.local/manifests/manifests/blobs', 'manifest lab.local/manifests:blobs'],
  ['/v2/lab.local/a/tags/list/tags/list', 'tags lab.local/a/tags/list'],
  ['/v2/lab.local/v2/app/manifests/v1', 'manifest lab.local/v2/app:v1'],
  ['/', '404 NAME_UNKNOWN'],
  ['/favicon.ico', '404 NAME_UNKNOWN'],
  ['/v1/', '404 NAME_UNKNOWN'],
  ['/v2/app', '404 NAME_UNKNOWN'],
  ['/v2/app/manifests', '404 NAME_UNKNOWN'],
  ['/v2/app/manifests/', '404 NAME_UNKNOWN'],
  ['/v2/manifests/v1', '404 NAME_UNKNOWN'],
  ['/v2/app/tags/other', '404 NAME_UNKNOWN'],
  ['/v2/_catalog', '404 NAME_UNKNOWN'],
  ['/v2/evil.test/app/manifests/v1', '404 NAME_UNKNOWN'],
  ['/v2/localhost/app/manifests/v1', '404 NAME_UNKNOWN'],
  ['/v2/127.0.0.1:5000/app/manifests/v1', '404 NAME_UNKNOWN'],
  ['/v2/[::1]:5000/app/manifests/v1', '404 NAME_UNKNOWN'],
  ['/evil.test/v2/app/manifests/v1', '404 NAME_UNKNOWN'],
  ['/evil.test/v2/', '404 NAME_UNKNOWN'],
  ['/v2/app/manifests/v1?ns=evil.test', '404 NAME_UNKNOWN'],
  ['/v2/app/manifests/v1?ns=', '404 NAME_UNKNOWN'],
  ['/v2/app/manifests/v1?ns=lab.local&ns=docker.io', '400 NAME_INVALID'],
  ['/v2/lab.local/app/manifests/v1?ns=docker.io', '400 NAME_INVALID'],
  ['/lab.local/v2/app/manifests/v1?ns=docker.io', '400 NAME_INVALID'],
  ['/v2/lab.local/App/manifests/v1', '400 NAME_INVALID'],
  ['/v2/lab.local/../app/manifests/v1', '400 NAME_INVALID'],
  ['/v2/app/manifests/.v1', '400 NAME_INVALID'],
  ['/v2/%zz/manifests/v1', '400 NAME_INVALID'],
  ['/v2/app/manifests/sha256:ab', '400 DIGEST_INVALID'],
  [`/v2/app/manifests/md5:${'a'.repeat(32)}`, '400 DIGEST_INVALID'],
  ['/v2/app/blobs/v1', '400 DIGEST_INVALID'],
  [`/v2/app/blobs/${DIGEST.toUpperCase()}`, '400 DIGEST_INVALID'],
  ['/v2/app/referrers/v1', '400 DIGEST_INVALID'],
];

for (const [url, expected] of routes) {
  t.test(`${url} is ${expected}`, async (t) => {
    t.equal(read(url), expected);
  });
}

t.test('a name without a registry needs a default upstream', async (t) => {
  const none: UpstreamNames = { has: (name) => names.has(name), default: undefined };
  t.equal(read('/v2/team/app/manifests/v1', none), '400 NAME_INVALID');
  t.equal(read('/v2/lab.local/app/manifests/v1', none), 'manifest lab.local/app:v1');
});
