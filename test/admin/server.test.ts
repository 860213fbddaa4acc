/** The operator's surface over real sockets. */
import t, { type Test } from 'tap';
import { startAdmin, type AdminOptions } from '../../src/admin/server.ts';

const silent = { warn: () => undefined, error: () => undefined };

async function start(t: Test, change: Partial<AdminOptions> = {}): Promise<string> {
  const server = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    ready: () => Promise.resolve(),
    metrics: { contentType: 'text/plain; version=0.0.4', render: () => Promise.resolve('up 1\n') },
    logger: silent,
    ...change,
  });
  t.teardown(() => server.close());
  return server.url;
}

t.test('healthz answers as long as the process lives', async (t) => {
  const url = await start(t, { ready: () => Promise.reject(new Error('disk full')) });
  const response = await fetch(`${url}/healthz`);
  t.equal(response.status, 200);
  t.strictSame(await response.json(), { status: 'ok' });
});

t.test('readyz answers what the check says', async (t) => {
  let reason: string | undefined;
  const url = await start(t, {
    ready: () => (reason === undefined ? Promise.resolve() : Promise.reject(new Error(reason))),
  });
  t.equal((await fetch(`${url}/readyz`)).status, 200);
  reason = 'the cache cannot be written';
  const response = await fetch(`${url}/readyz`);
  t.equal(response.status, 503);
  t.strictSame(await response.json(), { status: 'not ready', reason });
  reason = undefined;
  t.equal((await fetch(`${url}/readyz`)).status, 200);
});

t.test('readyz survives a check that throws at once', async (t) => {
  const url = await start(t, {
    ready: () => {
      throw new Error('closed');
    },
  });
  t.equal((await fetch(`${url}/readyz`)).status, 503);
});

t.test('metrics are text with the content type of their format', async (t) => {
  const url = await start(t);
  const response = await fetch(`${url}/metrics`);
  t.equal(response.status, 200);
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
  t.equal(await response.text(), 'up 1\n');
});

t.test('metrics that fail say nothing of why', async (t) => {
  const url = await start(t, {
    metrics: { contentType: 'text/plain', render: () => Promise.reject(new Error('secret path')) },
  });
  const response = await fetch(`${url}/metrics`);
  t.equal(response.status, 500);
  t.strictSame(await response.json(), { error: 'internal error' });
});

t.test('HEAD works as GET does', async (t) => {
  const url = await start(t);
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    t.equal((await fetch(`${url}${path}`, { method: 'HEAD' })).status, 200);
  }
});

t.test('other paths are 404 and other methods 405, as JSON', async (t) => {
  const url = await start(t);
  const missing = await fetch(`${url}/v2/`);
  t.equal(missing.status, 404);
  t.strictSame(await missing.json(), { error: 'expected one of /healthz, /readyz, /metrics' });
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const refused = await fetch(`${url}/metrics?x=1`, { method });
    t.equal(refused.status, 405);
    t.equal(refused.headers.get('allow'), 'GET, HEAD');
    t.strictSame(await refused.json(), { error: `expected GET, HEAD, got ${method}` });
  }
  const body = 'x'.repeat(4096);
  t.ok((await fetch(`${url}/metrics`, { method: 'POST', body })).status >= 400);
});

t.test('a port that is taken is an error, not a silence', async (t) => {
  const url = new URL(await start(t));
  await t.rejects(start(t, { port: Number(url.port) }), { code: 'EADDRINUSE' });
});

t.test('closing does not wait for clients that keep their connection', async (t) => {
  const server = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    ready: () => Promise.resolve(),
    metrics: { contentType: 'text/plain', render: () => Promise.resolve('') },
    logger: silent,
  });
  await (await fetch(`${server.url}/healthz`)).text();
  await t.resolves(server.close());
});
