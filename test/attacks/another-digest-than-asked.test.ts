/**
 * An upstream is asked for a digest and answers with another image, well-formed and signed: in the body, in the header
 * Docker-Content-Digest, or under the tag between two requests (CVE-2023-33959 in notation-go is of this family).
 *
 * The bytes are hashed here. What is not what was asked for is 502, told of and not kept, and does not become what the
 * tag means; where the rule holds tags, the tag goes on meaning what it meant.
 */
import t from 'tap';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const { refresh } = TAG_RULE;

t.test('a tag that moves to a digest whose bytes are another signed image', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  const next = signed('next', { tag: 'v1' });
  const other = signed('other');
  const bytes = registry.manifest(TEAM, other.digest)?.bytes ?? '';
  const heal = registry.fault(new RegExp(`^GET .*${next.digest}`), {
    kind: 'replace',
    body: bytes,
  });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(told(answer), '502 DIGEST_INVALID');
  t.strictSame(proxy.mismatches, ['lab.local']);
  t.equal(told(await get(`manifests/${good.digest}`)), '200');
  heal();
  proxy.now += 5_001;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], next.digest);
});

t.test('a rule that holds tags holds it, and never serves the other bytes', async (t) => {
  const rule = { ...SIGNED, tags: { onUnverifiedMove: 'hold' as const } };
  const { registry, proxy, signed, get } = await openLab(t, { rule });
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  const next = signed('next', { tag: 'v1' });
  const other = signed('other');
  const bytes = registry.manifest(TEAM, other.digest)?.bytes ?? '';
  registry.fault(new RegExp(`^GET .*${next.digest}`), { kind: 'replace', body: bytes });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], good.digest);
  t.match(answer.headers['warning'], /held/);
  t.equal(told(await get(`manifests/${next.digest}`)), '502 DIGEST_INVALID');
});

t.test('a header that names the digest of before hides no move', async (t) => {
  const { registry, proxy, signed, image, get } = await openLab(t, {
    registry: { headDigest: false },
  });
  const good = signed('good', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  const evil = image('evil', { tag: 'v1' });
  registry.fault(/^GET .*\/manifests\/v1$/, {
    kind: 'headers',
    headers: { 'docker-content-digest': good.digest },
  });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(told(answer), '502 DIGEST_INVALID');
  t.not(answer.headers['docker-content-digest'], evil.digest);
});

t.test('such a header does not make the tag flicker while the pin is usable', async (t) => {
  const { registry, proxy, signed, image, get } = await openLab(t, {
    registry: { headDigest: false },
    rule: { ...SIGNED, tags: { background: 100 * refresh } },
  });
  const good = signed('good', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  image('evil', { tag: 'v1' });
  registry.fault(/^GET .*\/manifests\/v1$/, {
    kind: 'headers',
    headers: { 'docker-content-digest': good.digest },
  });
  proxy.now += refresh;
  while (told(await get('manifests/v1')) === '200') await new Promise(setImmediate);
  for (let pull = 0; pull < 5; pull++) {
    proxy.now += 5_001;
    t.equal(told(await get('manifests/v1')), '502 DIGEST_INVALID');
  }
});
