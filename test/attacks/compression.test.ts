/**
 * A digest names bytes. A proxy that compresses, or passes on what came compressed, serves other bytes under it, of
 * another length; and what unpacks in transit is how a small body becomes an endless one.
 *
 * Nothing under /v2/ is ever compressed, upstreams are asked for `identity`, and what comes encoded all the same is
 * refused.
 */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { rawGet } from '../helpers/raw-http.ts';

const ASKED = ['Accept-Encoding: gzip, deflate, br, zstd', 'TE: gzip'];

t.test('no answer is compressed, whatever the client accepts', async (t) => {
  const { registry, proxy, signed } = await openLab(t, { registry: { referrersApi: true } });
  const layers = [Buffer.alloc(100_000, 'compressible ')];
  const image = signed('app', { tag: 'v1', layers });
  const contents: Readonly<Record<string, Buffer | undefined>> = {
    'manifests/v1': registry.manifest(TEAM, 'v1')?.bytes,
    [`blobs/${image.layers[0] ?? ''}`]: layers[0],
    [`referrers/${image.digest}`]: undefined,
    'tags/list': undefined,
    'manifests/absent': undefined,
  };
  for (const [what, content] of Object.entries(contents)) {
    const answer = await rawGet(proxy.url, `/v2/lab.local/${TEAM}/${what}`, ASKED);
    const named = answer.headers.map((line) => line.toLowerCase());
    t.notOk(
      named.some((line) => line.startsWith('content-encoding')),
      what,
    );
    t.notOk(named.includes('transfer-encoding: gzip'), what);
    if (content === undefined) t.ok(JSON.parse(answer.body.toString()), what);
    else t.ok(content.equals(answer.body), what);
  }
  for (const { headers } of registry.requests) t.equal(headers['accept-encoding'], 'identity');
});

/** Has the upstream answer with its content in gzip, under the header or without it. */
function compress({ registry }: Lab, match: RegExp, content: Buffer, declared: boolean): void {
  registry.fault(match, {
    kind: 'status',
    status: 200,
    headers: {
      'content-type': 'application/json',
      ...(declared ? { 'content-encoding': 'gzip' } : {}),
    },
    body: gzipSync(content),
  });
}

for (const declared of [true, false]) {
  const how = declared ? 'under its encoding' : 'without saying so';
  t.test(`a manifest that comes compressed ${how} is not served`, async (t) => {
    const lab = await openLab(t);
    const { digest } = lab.signed('app', { tag: 'v1' });
    const bytes = lab.registry.manifest(TEAM, digest)?.bytes ?? Buffer.alloc(0);
    compress(lab, /^GET .*\/manifests\/sha256:/, bytes, declared);
    t.match(told(await lab.get('manifests/v1')), /^50[23] /);
  });

  t.test(`a blob that comes compressed ${how} is not served`, async (t) => {
    const lab = await openLab(t);
    const { config } = lab.signed('app', { tag: 'v1' });
    await lab.get('manifests/v1');
    compress(lab, /\/blobs\//, lab.registry.blob(TEAM, config) ?? Buffer.alloc(0), declared);
    t.match(told(await lab.get(`blobs/${config}`)), /^50[23] /);
  });
}

t.test('a list of tags that comes compressed is not passed on', async (t) => {
  const lab = await openLab(t);
  lab.signed('app', { tag: 'v1' });
  compress(lab, /\/tags\/list/, Buffer.from('{"name":"x","tags":[]}'), true);
  t.equal(told(await lab.get('tags/list')), '503 UNAVAILABLE');
});
