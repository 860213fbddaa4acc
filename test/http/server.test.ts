/** The server itself: base, methods, conditions, HTTPS, and how it ends. */
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Agent, request } from 'undici';
import { testCertificate } from '../helpers/fake-registry.ts';
import { openLab } from '../helpers/lab.ts';
import { openSocket, parseAnswer, rawGet, rawRequest } from '../helpers/raw-http.ts';
import { ANY_BLOB, granting, memoryReader, startStub } from '../helpers/stub-server.ts';

t.test('/v2/ says that this is a registry, for HEAD too', async (t) => {
  const { url } = await startStub(t);
  for (const path of ['/v2/', '/v2', '/lab.local/v2/']) {
    const got = await request(`${url}${path}`);
    t.equal(got.statusCode, 200);
    t.equal(got.headers['docker-distribution-api-version'], 'registry/2.0');
    t.equal(got.headers['content-type'], 'application/json');
    t.strictSame(await got.body.json(), {});
    const head = await request(`${url}${path}`, { method: 'HEAD' });
    t.equal(head.statusCode, 200);
    t.equal(head.headers['content-length'], '2');
  }
});

for (const method of ['PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
  t.test(`${method} is 405 and the connection ends`, async (t) => {
    const { url } = await startStub(t);
    const socket = await openSocket(url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(`${method} /v2/lab.local/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.on('close', resolve));
    const { status, headers, body } = parseAnswer(Buffer.concat(chunks));
    t.equal(status, 405);
    t.ok(headers.includes('allow: GET, HEAD'));
    t.match(JSON.parse(body.toString()), { errors: [{ code: 'UNSUPPORTED' }] });
  });
}

t.test('a body of 100 MB is refused before any of it came', async (t) => {
  const { url } = await startStub(t);
  const head = 'PUT /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n';
  t.equal((await rawRequest(url, head)).status, 405);
});

t.test('a body of 100 MB that comes all the same is cut off', async (t) => {
  const { url } = await startStub(t);
  const socket = await openSocket(url);
  let sent = 0;
  socket.on('error', () => undefined).resume();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write('PUT /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n');
  const piece = Buffer.alloc(64 * 1024);
  const push = (): void => {
    if (socket.destroyed || sent >= 100_000_000) return;
    sent += piece.length;
    socket.write(piece, () => setImmediate(push));
  };
  push();
  await closed;
  t.ok(sent < 20_000_000, `${sent} bytes left the client`);
});

t.test('a GET with a body is answered, and its connection is fit for the next', async (t) => {
  const { url } = await startStub(t);
  const text = 'GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';
  const socket = await openSocket(url);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(`${text}GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.on('close', resolve));
  t.equal(
    Buffer.concat(chunks)
      .toString()
      .match(/HTTP\/1\.1 200/g)?.length,
    2,
  );
});

t.test('what the client has already is 304, and only after the decision', async (t) => {
  const { signed, image, get, head } = await openLab(t);
  const app = signed('app', { tag: 'v1' });
  const etag = { 'if-none-match': `"${app.digest}"` };
  for (const answer of [await get('manifests/v1', etag), await head('manifests/v1', etag)]) {
    t.equal(answer.status, 304);
    t.equal(answer.body.length, 0);
    t.equal(answer.headers['docker-content-digest'], app.digest);
  }
  t.equal((await get('manifests/v1', { 'if-none-match': '"other"' })).status, 200);
  t.equal((await get(`blobs/${app.config}`, { 'if-none-match': `"${app.config}"` })).status, 304);
  const evil = image('evil', { tag: 'evil' });
  t.equal((await get('manifests/evil', { 'if-none-match': `"${evil.digest}"` })).status, 403);
});

t.test('HEAD equals GET in status and headers, and has no body', async (t) => {
  const { signed, get, head } = await openLab(t);
  const app = signed('app', { tag: 'v1' });
  await get('manifests/v1');
  for (const what of ['manifests/v1', `manifests/${app.digest}`, `blobs/${app.config}`]) {
    const [got, asked] = [await get(what), await head(what)];
    t.equal(asked.status, 200);
    t.equal(asked.body.length, 0);
    for (const name of ['content-length', 'content-type', 'docker-content-digest', 'etag']) {
      t.ok(got.headers[name], name);
      t.equal(asked.headers[name], got.headers[name], name);
    }
    t.equal(asked.headers['content-length'], `${got.body.length}`);
    t.notMatch(asked.headers['content-type'], /;/);
  }
});

t.test('HEAD of a blob reads nothing of it', async (t) => {
  const { registry, signed, get, head } = await openLab(t);
  const { config } = signed('app', { tag: 'v1' });
  await get('manifests/v1');
  registry.clearRequests();
  t.equal((await head(`blobs/${config}`)).status, 200);
  t.strictSame(registry.requests, []);
});

t.test('Cache-Status says whether a blob is in the cache, to HEAD and to GET', async (t) => {
  const { signed, get, head } = await openLab(t);
  const {
    config,
    layers: [layer = config],
  } = signed('app', { tag: 'v1' });
  await get('manifests/v1');
  const statusOf = async (ask: typeof get, headers = {}) =>
    (await ask(`blobs/${layer}`, headers)).headers['cache-status'];
  t.equal(await statusOf(head), 'countersign; fwd=miss');
  t.equal(await statusOf(get), 'countersign; fwd=miss');
  // It has its name a moment after its last byte was sent.
  while ((await statusOf(head)) !== 'countersign; hit') await new Promise(setImmediate);
  t.equal(await statusOf(get, { range: 'bytes=1-2' }), 'countersign; hit');
});

t.test('HTTPS is served with the certificate that was given', async (t) => {
  const key = readFileSync(new URL('../fixtures/tls/test-only-key.pem', import.meta.url), 'utf8');
  const { url } = await startStub(t, { tls: { cert: testCertificate(), key } });
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const dispatcher = new Agent({ connect: { ca: testCertificate() } });
  t.teardown(() => dispatcher.close());
  t.equal((await request(`${url}/v2/`, { dispatcher })).statusCode, 200);
  const put = await request(`${url}/v2/a/b/manifests/v1`, { dispatcher, method: 'PUT', body: 'x' });
  t.equal(put.statusCode, 405);
  const old = new Agent({ connect: { ca: testCertificate(), maxVersion: 'TLSv1.1' } });
  t.teardown(() => old.close());
  await t.rejects(request(`${url}/v2/`, { dispatcher: old }), 'TLS 1.1 is refused');
  const plain = await rawGet(url, '/v2/');
  t.equal(plain.status, undefined, 'and so is plain HTTP');
});

t.test('a server that closes lets an answer under way finish', async (t) => {
  const bytes = Buffer.alloc(3_000_000, 'blob');
  const { promise: held, resolve: release } = Promise.withResolvers<undefined>();
  const inner = memoryReader(bytes);
  const server = await startStub(t, {
    admission: granting({
      ...inner,
      async read(target, position) {
        if (position > 1_000_000) await held;
        return inner.read(target, position);
      },
    }),
  });
  const { body } = await request(`${server.url}${ANY_BLOB}`);
  const closing = server.close();
  // Time enough for a server that grants none.
  for (const until = performance.now() + 20; performance.now() < until;) await turn();
  release(undefined);
  t.ok(Buffer.from(await body.arrayBuffer()).equals(bytes));
  await closing;
  await t.rejects(request(`${server.url}/v2/`), 'and takes nothing new');
});

t.test('a server that closes cuts an answer that does not end', async (t) => {
  const real = globalThis.setTimeout;
  const inner = memoryReader(Buffer.alloc(3_000_000, 'blob'));
  const server = await startStub(t, {
    admission: granting({
      ...inner,
      read: (target, position) =>
        position > 1_000_000 ? new Promise(() => undefined) : inner.read(target, position),
    }),
  });
  const { body } = await request(`${server.url}${ANY_BLOB}`);
  // The time it grants is over at once.
  t.intercept(globalThis, 'setTimeout', {
    value: (task: () => void, ms: number) => real(task, ms === 5_000 ? 0 : ms),
  });
  await Promise.all([t.rejects(body.arrayBuffer()), server.close()]);
});
