/** Which rule answers: the first that matches, none, one that rejects, one that accepts anything. */
import t from 'tap';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { putImage } from '../helpers/image.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign3, digestOfText, SIMPLE_LAYER } from '../helpers/signer.ts';
import { gzipSync } from 'node:zlib';

t.test(
  'a repository that no rule covers is denied, with the rule to add, and nothing asked',
  async (t) => {
    const { registry, signed, get, head } = await openLab(t, { policies: [] });
    const { digest, config } = signed('app', { tag: 'v1' });
    for (const what of ['manifests/v1', `manifests/${digest}`, `blobs/${config}`, 'tags/list']) {
      const answer = await get(what);
      t.equal(told(answer), '403 DENIED');
      t.match(answer.error?.message, `match: "lab.local/${TEAM}"`);
      t.equal((await head(what)).status, 403);
    }
    t.match((await head('manifests/v1')).phrase, /no rule covers lab\.local\/team\/app/);
    t.strictSame(registry.requests, []);
  },
);

t.test('referrers of a repository that no rule covers are none', async (t) => {
  const { registry, signed, get } = await openLab(t, { policies: [] });
  const { digest } = signed('app');
  t.match(JSON.parse((await get(`referrers/${digest}`)).body.toString()), { manifests: [] });
  t.strictSame(registry.requests, []);
});

t.test("a rejected repository is denied in the operator's words, and nothing asked", async (t) => {
  const { registry, signed, get } = await openLab(t, { rule: { reject: 'withdrawn in May' } });
  const { digest, config } = signed('app', { tag: 'v1' });
  for (const what of ['manifests/v1', `manifests/${digest}`, `blobs/${config}`, 'tags/list']) {
    const answer = await get(what);
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, 'withdrawn in May');
  }
  t.strictSame(registry.requests, []);
});

t.test('the first rule that matches decides, and exclusions hold', async (t) => {
  const { registry, proxy } = await openLab(t, {
    policies: [
      { match: ['lab.local/evil/**'], reject: 'no' },
      { match: ['lab.local/**', '!lab.local/private/**'], insecureAcceptAnything: true },
      { match: ['lab.local/**'], ...SIGNED },
    ],
  });
  for (const path of ['evil/app', 'free/app', 'private/app']) {
    putImage(registry, path, 'app', { tag: 'v1' });
  }
  t.match((await proxy.get('/v2/lab.local/evil/app/manifests/v1')).error, { message: /: no\./ });
  t.equal((await proxy.get('/v2/lab.local/free/app/manifests/v1')).status, 200);
  t.match((await proxy.get('/v2/lab.local/private/app/manifests/v1')).error, {
    message: /no signature/,
  });
});

t.test('rules see the canonical name, whatever name the client used', async (t) => {
  const registry = await openFakeRegistry(t);
  putImage(registry, 'library/alpine', 'alpine', { tag: 'v1' });
  const { proxy } = await openLab(t, {
    upstreams: { 'docker.io': registry },
    policies: [
      { match: ['docker.io/library/alpine'], reject: 'found' },
      { match: ['**'], insecureAcceptAnything: true },
    ],
  });
  for (const target of [
    '/v2/alpine/manifests/v1',
    '/v2/library/alpine/manifests/v1',
    '/v2/docker.io/alpine/manifests/v1',
    '/v2/index.docker.io/library/alpine/manifests/v1',
    '/v2/alpine/manifests/v1?ns=registry-1.docker.io',
    '/DOCKER.io/v2/alpine/manifests/v1',
  ]) {
    const answer = await proxy.get(target);
    t.match(answer.error?.message, /docker\.io\/library\/alpine:v1 is refused.*found/, target);
  }
});

t.test('a rule that accepts anything serves everything, signed or not', async (t) => {
  const { registry, proxy, image, stranger, get } = await openLab(t, {
    rule: { insecureAcceptAnything: true },
    registry: { referrersApi: true },
  });
  const app = image('app', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, app, stranger);
  registry.tag(TEAM, `${app.digest.replace(':', '-')}.sig`, app.digest);
  for (const what of [
    'manifests/v1',
    `manifests/${app.digest}`,
    `blobs/${app.config}`,
    `manifests/${bundle}`,
    `manifests/${app.digest.replace(':', '-')}.sig`,
    'tags/list',
  ]) {
    t.equal(told(await get(what)), '200', what);
  }
  t.match(JSON.parse((await get(`referrers/${app.digest}`)).body.toString()), {
    manifests: [{ digest: bundle }],
  });
  t.strictSame(new Set(proxy.pulls.map(({ outcome }) => outcome)), new Set(['admitted']));
  t.equal(registry.asked(/\.sig$/).length, 1, 'no signature was looked for');
});

t.test('a rule that accepts anything inspects nothing', async (t) => {
  const { registry, image, get } = await openLab(t, { rule: { insecureAcceptAnything: true } });
  const app = image('app', { tag: 'v1' });
  const content = gzipSync('an SBOM in another shape');
  const digest = registry.putBlob(TEAM, content);
  const layers = [{ mediaType: SIMPLE_LAYER, digest, size: content.length }];
  const subject = { mediaType: OCI_MANIFEST, digest: app.digest, size: app.size };
  const odd = image('odd', { changes: { layers, subject } });
  t.equal(told(await get(`manifests/${odd.digest}`)), '200');
  t.ok((await get(`blobs/${digest}`)).body.equals(content));
});

t.test('a registry that is no upstream is refused by admission itself, too', async (t) => {
  const { proxy } = await openLab(t, {
    policies: [{ match: ['**'], insecureAcceptAnything: true }],
  });
  const repository = { registry: 'evil.test', path: 'app' };
  const { admission } = proxy;
  t.match(await admission.admit({ repository, tag: 'v1' }), { code: 'unknown-upstream' });
  t.match(await admission.admitBlob(repository, digestOfText('x')), { code: 'unknown-upstream' });
  t.match(admission.admitTagList(repository), { code: 'unknown-upstream' });
  t.strictSame(await admission.findReferrers(repository, digestOfText('x')), []);
});

t.test('a rule that accepts anything knows no attachments: such a tag is a tag', async (t) => {
  const { image, get } = await openLab(t, { rule: { insecureAcceptAnything: true } });
  const tag = `${digestOfText('an image that is not here').replace(':', '-')}.sig`;
  image('app', { tag });
  t.equal(told(await get(`manifests/${tag}`)), '200');
});
