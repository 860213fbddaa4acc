/** Memory that is used again: what is read through it is what was sent, whoever reads how slowly. */
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import t, { type Test } from 'tap';
import { createConnector } from '../../src/upstream/connector.ts';
import { requestLent, type LentBytes } from '../../src/upstream/lent-body.ts';
import { ownChunks } from '../../src/upstream/own-chunks.ts';
import { createRegistryUpstream } from '../../src/upstream/registry-upstream.ts';
import { lentReads } from '../../src/upstream/socket-reads.ts';
import { createTargets } from '../../src/upstream/targets.ts';
import { openFakeRegistry, openUpstream, REPOSITORY } from '../helpers/open-upstream.ts';
import { contentOf } from '../store/sources.ts';

const MiB = 1024 * 1024;
const LARGE = contentOf(24 * MiB);

for (const tls of [false, true]) {
  t.test(`a blob comes through a handful of buffers, ${tls ? 'TLS' : 'plain'}`, async (t) => {
    const registry = await openFakeRegistry(t, { tls });
    const digest = registry.putBlob(REPOSITORY, LARGE);
    const upstream = openUpstream(t, registry);
    const { body } = await upstream.openBlob(REPOSITORY, digest);
    const memories = new Set<ArrayBufferLike>();
    let position = 0;
    let chunks = 0;
    for await (const chunk of body) {
      memories.add(chunk.buffer);
      // Whatever arrives meanwhile goes elsewhere.
      if (++chunks % 7 === 0) await sleep(3);
      if (!chunk.equals(LARGE.subarray(position, position + chunk.length))) {
        t.fail(`another chunk at ${position}`);
      }
      position += chunk.length;
    }
    t.equal(position, LARGE.length);
    t.ok(memories.size <= 12, `${memories.size} buffers`);
  });

  t.test(`what is kept is memory of its own, ${tls ? 'TLS' : 'plain'}`, async (t) => {
    const registry = await openFakeRegistry(t, { tls });
    const upstream = openUpstream(t, registry);
    const layers = Array.from({ length: 20_000 }, (_, index) => ({ index, text: 'x'.repeat(100) }));
    const { digest, bytes } = registry.putManifest('a', { layers }, { tag: 'v1' });
    t.ok(bytes.length > 2 * MiB);
    const manifests = await Promise.all(
      Array.from({ length: 4 }, () => upstream.fetchManifest('a', digest)),
    );
    for (const manifest of manifests) t.ok(manifest.bytes.equals(bytes));
  });
}

/** A server that says these pieces, one after the other, to whoever connects. */
async function speaker(t: Test, pieces: readonly (Buffer | string)[], pause = 5): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      void (async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await sleep(pause);
        }
      })();
    });
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listen(t, server);
}

async function listen(t: Test, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return `http://127.0.0.1:${address.port}`;
}

function lendingAgent(t: Test, url: string): Agent {
  const agent = new Agent({
    connect: createConnector({
      name: 'x',
      targets: createTargets({
        name: 'x',
        url: new URL(url),
        insecureHttp: true,
        privateHosts: [],
      }),
      ca: undefined,
      timeout: 1000,
      lookup: undefined,
      onread: lentReads(),
    }),
  });
  t.teardown(() => agent.destroy());
  return agent;
}

async function open(t: Test, pieces: readonly (Buffer | string)[], signal?: AbortSignal) {
  const origin = await speaker(t, pieces);
  return requestLent(lendingAgent(t, origin), {
    origin,
    path: '/',
    method: 'GET',
    signal: signal ?? new AbortController().signal,
  });
}

const head = (length: number): string => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`;

async function readUntilItEnds(body: LentBytes): Promise<{ bytes: Buffer; error: unknown }> {
  const parts: Buffer[] = [];
  try {
    for await (const chunk of body) parts.push(Buffer.from(chunk));
    return { bytes: Buffer.concat(parts), error: undefined };
  } catch (error) {
    return { bytes: Buffer.concat(parts), error };
  }
}

t.test('headers that come in many pieces are what they were', async (t) => {
  const fields = Array.from({ length: 60 }, (_, index) => `x-${index}: ${'v'.repeat(index)}\r\n`);
  const { headers, body } = await open(t, ['HTTP/1.1 200 OK\r\n', ...fields, '\r\n', 'body']);
  for (let index = 0; index < 60; index++) t.equal(headers[`x-${index}`], 'v'.repeat(index));
  body.destroy();
});

t.test('an early answer and its interim ones', async (t) => {
  const { statusCode, headers, body } = await open(t, [
    'HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n',
    `HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 3\r\n\r\nabc`,
  ]);
  t.equal(statusCode, 200);
  t.equal(headers['x'], 'y');
  t.equal((await readUntilItEnds(body)).bytes.toString(), 'abc');
});

t.test('what came before a break is read before the break is told', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(`${head(9)}abcdef`));
  });
  const origin = await listen(t, server);
  const { signal } = new AbortController();
  const agent = lendingAgent(t, origin);
  const { body } = await requestLent(agent, { origin, path: '/', method: 'GET', signal });
  await sleep(100);
  const { bytes, error } = await readUntilItEnds(body);
  t.equal(bytes.toString(), 'abcdef');
  t.match(error, { code: 'UND_ERR_SOCKET' });
});

t.test('a body that is given up after all of it came does not end like a whole one', async (t) => {
  const { body } = await open(t, [`${head(6)}abcdef`]);
  await sleep(50);
  body.destroy();
  const { bytes, error } = await readUntilItEnds(body);
  t.equal(bytes.length, 0);
  t.match(error, { message: 'the body was given up' });
});

t.test('the signal ends the request before it is sent, before the head and after it', async (t) => {
  await t.rejects(open(t, [], AbortSignal.abort(new Error('never'))), { message: 'never' });
  const waiting = new AbortController();
  const opening = open(t, [], waiting.signal);
  setTimeout(() => {
    waiting.abort(new Error('before'));
  }, 50);
  await t.rejects(opening, { message: 'before' });
  const reading = new AbortController();
  const { body } = await open(t, [head(6), 'abc'], reading.signal);
  setTimeout(() => {
    reading.abort('no error at all');
  }, 50);
  t.match((await readUntilItEnds(body)).error, { message: 'given up' });
});

t.test('a reader that waits holds the server back', async (t) => {
  const size = 64 * MiB;
  let sent = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(head(size));
      const piece = Buffer.alloc(MiB, 'x');
      const go = (): void => {
        while (sent < size) {
          sent += piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', go);
            return;
          }
        }
      };
      go();
    });
    t.teardown(() => socket.destroy());
  });
  const origin = await listen(t, server);
  const signal = new AbortController().signal;
  const agent = lendingAgent(t, origin);
  const { body } = await requestLent(agent, { origin, path: '/', method: 'GET', signal });
  let length = 0;
  let atFirst = 0;
  for await (const chunk of body) {
    if (length === 0) {
      await sleep(300);
      atFirst = sent;
    }
    length += chunk.length;
  }
  t.equal(length, size);
  t.ok(atFirst < size / 2, `${atFirst} bytes were sent to a reader that took nothing`);
});

t.test('an answer that waits for its reader is not written over', async (t) => {
  const large = LARGE.subarray(0, 4 * MiB);
  const piece = (text: string): Buffer => Buffer.alloc(20_000, text);
  let asked = 0;
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    t.teardown(() => socket.destroy());
    socket.on('data', () => {
      if (asked++ === 0) {
        socket.write(head(large.length));
        socket.write(large);
        return;
      }
      void (async () => {
        socket.write(head(60_000));
        for (const text of ['a', 'b', 'c']) {
          await sleep(30);
          socket.write(piece(text));
        }
      })();
    });
  });
  const url = await listen(t, server);
  const upstream = createRegistryUpstream({
    name: 'x',
    url: new URL(url),
    insecureHttp: true,
    privateHosts: [],
    logger: { debug: () => undefined, warn: () => undefined },
  });
  t.teardown(() => upstream.close());
  const request = { origin: url, path: '/v2/a/tags/list', method: 'GET' } as const;
  const first = await upstream.dispatcher.request(request);
  t.equal((await first.body.arrayBuffer()).byteLength, large.length);
  await sleep(50);
  const { body } = await upstream.dispatcher.request(request);
  await sleep(300);
  const bytes = Buffer.from(await body.arrayBuffer());
  t.equal(connections, 1, 'on the connection whose buffers have grown');
  t.ok(bytes.equals(Buffer.concat(['a', 'b', 'c'].map(piece))));
});

t.test('chunks that are kept survive what comes after them', async (t) => {
  const origin = await speaker(t, [head(LARGE.length), LARGE], 0);
  const agent = lendingAgent(t, origin).compose(ownChunks());
  const { body } = await agent.request({ origin, path: '/', method: 'GET' });
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  t.ok(Buffer.concat(chunks).equals(LARGE));
});
