/** Blobs on their way to clients that are slow, that leave, and that want every byte. */
import { EventEmitter, once } from 'node:events';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { request } from 'undici';
import { pump } from '../../src/http/pump.ts';
import { openLab } from '../helpers/lab.ts';
import { openSocket } from '../helpers/raw-http.ts';
import { ANY_BLOB, granting, memoryReader, startStub } from '../helpers/stub-server.ts';

const get = `GET ${ANY_BLOB} HTTP/1.1\r\nHost: x\r\n\r\n`;

for (const size of [1, 262_143, 262_144, 262_145, 524_288, 5_000_000]) {
  t.test(`${size} bytes arrive as they are, however they are read`, async (t) => {
    const bytes = randomBytes(size);
    for (const step of [Number.POSITIVE_INFINITY, 100_003]) {
      const reader = memoryReader(bytes, step);
      const sent: number[] = [];
      const server = await startStub(t, {
        admission: granting(reader),
        observer: { blobServed: (_source, length) => sent.push(length) },
      });
      const { body, headers } = await request(`${server.url}${ANY_BLOB}`);
      t.equal(headers['content-length'], `${size}`);
      t.ok(Buffer.from(await body.arrayBuffer()).equals(bytes));
      await server.close();
      t.equal(reader.closed(), 1);
      t.strictSame(sent, [size]);
    }
  });
}

t.test('many clients at once each get every byte', async (t) => {
  const bytes = randomBytes(2_000_000);
  const { url } = await startStub(t, { admission: granting(memoryReader(bytes, 70_001)) });
  const answers = await Promise.all(
    Array.from({ length: 100 }, async () => (await request(`${url}${ANY_BLOB}`)).body.bytes()),
  );
  t.ok(answers.every((body) => bytes.equals(body)));
});

t.test('an empty blob is served', async (t) => {
  const { signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1', layers: [Buffer.alloc(0)] });
  await get('manifests/v1');
  for (const state of ['filling', 'cached']) {
    const answer = await get(`blobs/${image.layers[0] ?? ''}`);
    t.equal(answer.status, 200, state);
    t.equal(answer.headers['content-length'], '0');
  }
});

t.test('a client that does not read holds the reading back', async (t) => {
  const inner = memoryReader(Buffer.alloc(100_000_000));
  let read = 0;
  const { url } = await startStub(t, {
    admission: granting({
      ...inner,
      async read(target, position) {
        const length = await inner.read(target, position);
        read = position + length;
        return length;
      },
    }),
  });
  const socket = await openSocket(url);
  socket.pause();
  socket.write(get);
  while (read === 0) await turn();
  // As long as buffers fill, then no more.
  for (let still = 0; still < 200; still++) {
    const before = read;
    await turn();
    if (read !== before) still = 0;
  }
  t.ok(read > 0 && read < 50_000_000, `${read} bytes were read`);
  socket.destroy();
});

t.test('a client that leaves lets the reader go', async (t) => {
  const reader = memoryReader(Buffer.alloc(100_000_000));
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const { url } = await startStub(t, {
    admission: granting({
      ...reader,
      close: async () => {
        resolve(undefined);
      },
    }),
  });
  const socket = await openSocket(url);
  socket.write(get);
  await once(socket, 'data');
  socket.destroy();
  await closed;
  t.pass('the reader is closed');
});

t.test('a client that leaves while nothing comes lets the reader go too', async (t) => {
  const inner = memoryReader(Buffer.alloc(1_000_000));
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const { url } = await startStub(t, {
    admission: granting({
      ...inner,
      // As a fill does whose upstream says nothing: it waits until it is closed.
      read: (target, position) =>
        position < 500_000
          ? inner.read(target, position)
          : closed.then(() => Promise.reject(new Error('closed'))),
      close: async () => {
        resolve(undefined);
      },
    }),
  });
  const socket = await openSocket(url);
  let received = 0;
  socket.write(get);
  // Everything that was read has arrived, so nothing is being written.
  for await (const chunk of socket) {
    received += (chunk as Buffer).length;
    if (received > 500_000) break;
  }
  await closed;
  t.pass('the reader is closed');
});

t.test('a reader that ends early ends the connection, not the blob', async (t) => {
  const inner = memoryReader(Buffer.alloc(3_000_000));
  const { url } = await startStub(t, {
    admission: granting({
      ...inner,
      read: async (target, position) => (position < 2_000_000 ? inner.read(target, position) : 0),
    }),
  });
  const { statusCode, body } = await request(`${url}${ANY_BLOB}`);
  t.equal(statusCode, 200);
  await t.rejects(body.arrayBuffer());
});

t.test('a reader that fails before its first byte is an error answer', async (t) => {
  const { url } = await startStub(t, {
    admission: granting({
      ...memoryReader(Buffer.alloc(10)),
      read: () => Promise.reject(new Error('no')),
    }),
  });
  t.equal((await request(`${url}${ANY_BLOB}`)).statusCode, 503);
});

t.test('a client that is slow to take a large buffer gets a small one', async (t) => {
  let now = 0;
  t.intercept(performance, 'now', { value: () => now });
  const bytes = randomBytes(3 * 2 ** 20);
  const asked: number[] = [];
  const whole = memoryReader(bytes, Number.POSITIVE_INFINITY);
  const reader = {
    ...whole,
    read(target: Buffer, position: number) {
      asked.push(target.length);
      return whole.read(target, position);
    },
  };
  const response = Object.assign(new EventEmitter(), {
    socket: null,
    write(_chunk: Buffer, done: () => void) {
      now += 1001;
      done();
    },
  });
  const sent = await pump(
    reader,
    response as unknown as ServerResponse,
    { parts: [{ head: '', start: 0, end: bytes.length }], length: bytes.length },
    () => undefined,
  );
  t.equal(sent, bytes.length);
  t.strictSame([...new Set(asked)], [2 ** 20, 64 * 1024]);
  t.equal(asked.filter((length) => length === 2 ** 20).length, 1);
});
