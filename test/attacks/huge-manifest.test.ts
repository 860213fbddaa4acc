/**
 * Manifests beyond 4 MiB (CVE-2024-29902's family; distribution and containerd bound them too): JSON is read as a whole,
 * so its size is memory, for each client that asks.
 *
 * The bound holds whether the length is declared or the body simply goes on, and holds for signed manifests too.
 */
import t from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { answerWithoutEnd, startFront } from '../helpers/front.ts';
import { openLab, told } from '../helpers/lab.ts';
import { digestOfText } from '../helpers/signer.ts';

const MiB = 1024 * 1024;
const padded = (bytes: number) => ({ changes: { annotations: { padding: 'x'.repeat(bytes) } } });

t.test('a signed manifest over 4 MiB is refused, by tag and by digest, for HEAD too', async (t) => {
  const { signed, get, head } = await openLab(t);
  const { digest } = signed('app', { tag: 'v1', ...padded(4 * MiB) });
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, 'expected at most 4194304 bytes, got more');
  t.equal(told(await get(`manifests/${digest}`)), '403 DENIED');
  t.equal((await head(`manifests/${digest}`)).status, 403);
});

t.test('the bound holds for a manifest in chunks, whose length nobody declares', async (t) => {
  const { registry, signed, get } = await openLab(t);
  signed('app', { tag: 'v1', ...padded(4 * MiB) });
  registry.fault(/^GET .*\/manifests\/sha256:/, { kind: 'content-length', value: undefined });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

t.test('the bound holds where HEAD names no digest and the tag is fetched', async (t) => {
  const { signed, get } = await openLab(t, { registry: { headDigest: false } });
  signed('app', { tag: 'v1', ...padded(4 * MiB) });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

t.test('a manifest that never ends is dropped after the bound', async (t) => {
  const front = await startFront(t, { url: '' }, (request, response) => {
    if (request.method === 'GET') {
      return answerWithoutEnd(response, { 'content-type': OCI_MANIFEST }, Buffer.alloc(65_536, 32));
    }
    response.writeHead(200, { 'docker-content-digest': digestOfText('x') }).end();
    return true;
  });
  const { get } = await openLab(t, { upstreams: { 'lab.local': front } });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.ok(front.endless() < 32 * MiB, `${front.endless()} bytes were sent`);
});

t.test('a signed manifest just below 4 MiB is served', async (t) => {
  const { signed, get } = await openLab(t);
  const { size } = signed('app', { tag: 'v1', ...padded(4 * MiB - 1000) });
  t.ok(size > 4 * MiB - 1000 && size <= 4 * MiB);
  const answer = await get('manifests/v1');
  t.equal(told(answer), '200');
  t.equal(answer.body.length, size);
});
