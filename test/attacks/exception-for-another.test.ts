/**
 * An operator excepted one image for a week. Whoever can push to the upstream now has something to aim at: other bytes
 * under the same tag, the same bytes in a repository of another rule, a child of the excepted index in other company, an
 * excepted image inside an index of their own.
 *
 * An exception is about one digest under one rule, and lets in what that digest names and nothing else.
 */
import t from 'tap';
import { except, exceptionFor } from '../helpers/exceptions.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

t.test('another digest under the same tag is refused', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.image('app', { tag: 'v1' });
  except(lab, [exceptionFor(digest)]);
  t.equal(told(await lab.get('manifests/v1')), '200');
  const evil = lab.image('evil', { tag: 'v1' });
  lab.proxy.now += TAG_RULE.refresh;
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`blobs/${evil.layers[0] ?? ''}`)), '403 DENIED');
});

t.test('the same digest in a repository of another rule is refused', async (t) => {
  const { registry, proxy } = await openLab(t);
  const policies = [
    { name: 'strict', match: ['lab.local/strict/**'], ...SIGNED },
    { name: 'releases', match: ['lab.local/**'], ...SIGNED },
  ];
  const put = (repository: string) => putImage(registry, repository, 'app', { tag: 'v1' });
  const { digest, config } = put('team/app');
  t.equal(put('strict/app').digest, digest, 'the same image');
  proxy.reload(policies, undefined, [exceptionFor(digest)]);
  const ask = async (repository: string) => [
    told(await proxy.get(`/v2/lab.local/${repository}/manifests/v1`)),
    told(await proxy.get(`/v2/lab.local/${repository}/manifests/${digest}`)),
    told(await proxy.get(`/v2/lab.local/${repository}/blobs/${config}`)),
  ];
  const refused = ['403 DENIED', '403 DENIED', '403 DENIED'];
  t.strictSame(await ask('strict/app'), refused);
  t.strictSame(await ask('team/app'), ['200', '200', '200']);
  t.strictSame(await ask('strict/app'), refused, 'nor when it is cached');
});

t.test('a repository that comes under another rule takes no exception along', async (t) => {
  const lab = await openLab(t);
  const { digest, config } = lab.image('app', { tag: 'v1' });
  except(lab, [exceptionFor(digest)]);
  t.equal(told(await lab.get('manifests/v1')), '200');
  // The rule of the same content has the same key, so what was recorded is found.
  except(lab, [exceptionFor(digest)], { name: 'successor' });
  for (const what of ['manifests/v1', `manifests/${digest}`, `blobs/${config}`]) {
    t.equal(told(await lab.get(what)), '403 DENIED', what);
  }
});

t.test(
  'a child of an excepted index is let in by its digest, what is no child is not',
  async (t) => {
    const lab = await openLab(t);
    const child = lab.image('child');
    const other = lab.image('other');
    const index = putIndex(lab.registry, TEAM, [child], { tag: 'v1' });
    except(lab, [exceptionFor(index.digest)]);
    t.equal(
      told(await lab.get(`manifests/${child.digest}`)),
      '403 DENIED',
      'nobody asked the index',
    );
    lab.proxy.now += 10_000;
    t.equal(told(await lab.get('manifests/v1')), '200');
    t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
    t.equal(told(await lab.get(`manifests/${other.digest}`)), '403 DENIED');
    t.equal(told(await lab.get(`blobs/${other.config}`)), '403 DENIED');
  },
);

t.test('an index around an excepted image is refused, and its other children', async (t) => {
  const lab = await openLab(t);
  const good = lab.image('good');
  const evil = lab.image('evil');
  const index = putIndex(lab.registry, TEAM, [good, evil], { tag: 'v1' });
  except(lab, [exceptionFor(good.digest)]);
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${index.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${good.digest}`)), '200');
});

t.test('other bytes under the excepted digest are not served', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.image('app');
  except(lab, [exceptionFor(digest)]);
  lab.registry.fault(/GET .*\/manifests\/sha256:/, { kind: 'corrupt', at: 9 });
  t.equal(told(await lab.get(`manifests/${digest}`)), '502 DIGEST_INVALID');
});
