/** Several ranges in one answer: RFC 9110 §14.6, as podman asks for them when it pulls zstd:chunked layers. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { Agent, request } from 'undici';
import type { ByteRange } from '../../src/http/byte-range.ts';
import { createMultipart } from '../../src/http/multipart.ts';
import { testCertificate } from '../helpers/fake-registry.ts';
import { openLab } from '../helpers/lab.ts';
import { parseMultipart } from '../helpers/multipart.ts';
import { openSocket, parseAnswer, rawGet, rawRequest } from '../helpers/raw-http.ts';
import { ANY_BLOB, granting, memoryReader, startStub } from '../helpers/stub-server.ts';

const contents = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

const rangeHeader = (ranges: readonly ByteRange[]): string =>
  `bytes=${ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',')}`;

for (const state of ['from the cache', 'while it fills']) {
  t.test(`several ranges come in the order asked, ${state}`, async (t) => {
    const { signed, get, head } = await openLab(t);
    const image = signed('app', { tag: 'v1', layers: [contents] });
    const target = `blobs/${image.layers[0] ?? ''}`;
    await get('manifests/v1');
    if (state === 'from the cache') await get(target);
    for (const range of [
      'bytes=0-9,500-1499,100000-',
      'bytes=-10,0-9',
      'bytes=5-5,7-7,6-6,400000-,-1',
    ]) {
      const answer = await get(target, { range });
      t.equal(answer.status, 206);
      t.equal(answer.headers['content-length'], `${answer.body.length}`);
      t.equal(answer.headers['content-range'], undefined);
      t.match(answer.headers, { 'accept-ranges': 'bytes', etag: `"${image.layers[0] ?? ''}"` });
      const parts = parseMultipart(answer.headers['content-type'], answer.body);
      for (const { contentType, start, end, size, bytes } of parts) {
        t.equal(contentType, 'application/octet-stream');
        t.equal(size, contents.length);
        t.ok(bytes.equals(contents.subarray(start, end)), `${start}-${end - 1} of ${range}`);
      }
      const asked = await head(target, { range });
      t.equal(asked.status, 206);
      t.equal(asked.body.length, 0);
      for (const name of ['content-length', 'etag', 'accept-ranges', 'docker-content-digest']) {
        t.ok(asked.headers[name], name);
        t.equal(asked.headers[name], answer.headers[name], name);
      }
      const type = answer.headers['content-type'];
      t.equal(String(asked.headers['content-type']).length, String(type).length);
      t.not(asked.headers['content-type'], type, 'no boundary comes twice');
    }
    const parts = async (range: string): Promise<readonly number[]> => {
      const { headers, body } = await get(target, { range });
      return parseMultipart(headers['content-type'], body).map(({ start }) => start);
    };
    t.strictSame(await parts('bytes=7-9,5-6,0-4'), [7, 5, 0]);
    t.strictSame(await parts('bytes=0-4,400000-,7-9'), [0, 7], 'what is not there is left out');
  });
}

t.test('one range that is there among those that are not is no multipart', async (t) => {
  const { url } = await startStub(t, { admission: granting(memoryReader(contents)) });
  const answer = await request(`${url}${ANY_BLOB}`, {
    headers: { range: 'bytes=400000-,10-19,500000-' },
  });
  t.equal(answer.statusCode, 206);
  t.equal(answer.headers['content-type'], 'application/octet-stream');
  t.equal(answer.headers['content-range'], 'bytes 10-19/300000');
  t.ok(contents.subarray(10, 20).equals(await answer.body.bytes()));
  const none = await request(`${url}${ANY_BLOB}`, { headers: { range: 'bytes=400000-,500000-' } });
  t.equal(none.statusCode, 416);
  t.equal(none.headers['content-range'], 'bytes */300000');
  t.equal((await none.body.bytes()).length, 0);
});

t.test('If-Range holds for several ranges too', async (t) => {
  const { url } = await startStub(t, { admission: granting(memoryReader(contents)) });
  const etag = `"${ANY_BLOB.split('/').at(-1) ?? ''}"`;
  const ask = async (condition: string): Promise<number> => {
    const headers = { range: 'bytes=0-1,5-9', 'if-range': condition };
    const { statusCode, body } = await request(`${url}${ANY_BLOB}`, { headers });
    await body.dump();
    return statusCode;
  };
  t.strictSame([await ask(etag), await ask('"other"')], [206, 200]);
});

t.test('ranges of a blob in flight wait for their bytes', async (t) => {
  const { registry, signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1', layers: [contents] });
  const digest = image.layers[0] ?? '';
  await get('manifests/v1');
  const { promise: until, resolve: release } = Promise.withResolvers<undefined>();
  registry.fault(/blobs/, { kind: 'wait', until });
  const answers = ['bytes=0-9,299990-', 'bytes=299990-,0-9,1000-1999'].map((range) =>
    get(`blobs/${digest}`, { range }),
  );
  release(undefined);
  for (const { status, headers, body } of await Promise.all(answers)) {
    t.equal(status, 206);
    for (const { start, end, bytes } of parseMultipart(headers['content-type'], body)) {
      t.ok(bytes.equals(contents.subarray(start, end)));
    }
  }
  t.equal(registry.asked(new RegExp(`blobs/${digest}`)).length, 1, 'one download for all');
});

t.test('1024 ranges are answered as they are asked', async (t) => {
  const { url } = await startStub(t, { admission: granting(memoryReader(contents)) });
  const ranges = Array.from({ length: 1024 }, (_, index) => ({
    start: index * 290 + (index % 7),
    end: index * 290 + 100,
  }));
  const { statusCode, headers, body } = await request(`${url}${ANY_BLOB}`, {
    headers: { range: rangeHeader(ranges) },
  });
  t.equal(statusCode, 206);
  const bytes = await body.bytes();
  t.equal(headers['content-length'], `${bytes.length}`);
  const parts = parseMultipart(headers['content-type'], Buffer.from(bytes));
  t.strictSame(
    parts.map(({ start, end }) => ({ start, end })),
    ranges,
  );
  t.ok(parts.every((part) => part.bytes.equals(contents.subarray(part.start, part.end))));
});

t.test('a header as long as 1024 ranges of a huge blob is read', async (t) => {
  const { url } = await startStub(t, { admission: granting(memoryReader(contents)) });
  const far = Array.from({ length: 1023 }, (_, index) => 900_000_000_000_000 + index);
  const range = `bytes=0-1,${far.map((start) => `${start}-${start}`).join(',')}`;
  t.ok(range.length > 32_000);
  const { status, headers, body } = await rawGet(url, ANY_BLOB, [`Range: ${range}`]);
  t.equal(status, 206);
  t.ok(headers.includes('content-range: bytes 0-1/300000'));
  t.ok(body.equals(contents.subarray(0, 2)));
});

t.test('headers of more than 64 KiB are 431, said in the words of a registry', async (t) => {
  const { url } = await startStub(t, { admission: granting(memoryReader(contents)) });
  const long = `Range: bytes=${'0-1,'.repeat(20_000)}`;
  const { status, headers, body } = await rawGet(url, ANY_BLOB, [long]);
  t.equal(status, 431);
  t.ok(headers.includes('connection: close'));
  t.match(JSON.parse(body.toString()), {
    errors: [{ code: 'UNSUPPORTED', message: /headers of the request are more than 65536 bytes/ }],
  });
  const socket = await openSocket(url);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  chunks.length = 0;
  socket.write(`GET ${ANY_BLOB} HTTP/1.1\r\nHost: x\r\n${long}\r\n\r\n`);
  await closed;
  t.equal(parseAnswer(Buffer.concat(chunks)).status, 431, 'on a connection that was used before');
  t.equal((await rawRequest(url, 'hello\r\n\r\n')).status, 400, 'and what is no HTTP is 400');
});

t.test('HTTPS has the same bound', async (t) => {
  const key = readFileSync(new URL('../fixtures/tls/test-only-key.pem', import.meta.url), 'utf8');
  const { url } = await startStub(t, {
    admission: granting(memoryReader(contents)),
    tls: { cert: testCertificate(), key },
  });
  const dispatcher = new Agent({ connect: { ca: testCertificate() } });
  t.teardown(() => dispatcher.close());
  const ask = async (count: number): Promise<number> => {
    const headers = { range: `bytes=0-1${',900000-900001'.repeat(count)}` };
    const { statusCode, body } = await request(`${url}${ANY_BLOB}`, { dispatcher, headers });
    await body.dump();
    return statusCode;
  };
  t.strictSame([await ask(1023), await ask(5000)], [206, 431]);
});

t.test('rubbish behind a request is no part of the answer to it', async (t) => {
  const bytes = Buffer.alloc(3_000_000, 'blob');
  const inner = memoryReader(bytes);
  const { promise: held, resolve: release } = Promise.withResolvers<undefined>();
  const { url } = await startStub(t, {
    admission: granting({
      ...inner,
      async read(target, position) {
        if (position > 1_000_000) await held;
        return inner.read(target, position);
      },
    }),
  });
  const socket = await openSocket(url);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(`GET ${ANY_BLOB} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write('rubbish\r\n\r\n');
  await closed;
  release(undefined);
  const { body } = parseAnswer(Buffer.concat(chunks));
  t.ok(body.length < bytes.length);
  t.ok(body.equals(bytes.subarray(0, body.length)), 'what came of the blob is the blob');
});

t.test('a reader that fails in the second part leaves a short body', async (t) => {
  const inner = memoryReader(contents);
  const { url } = await startStub(t, {
    admission: granting({
      ...inner,
      read: (target, position) =>
        position < 1_000 ? inner.read(target, position) : Promise.reject(new Error('no')),
    }),
  });
  const headers = { range: 'bytes=0-9,2000-2999' };
  const { statusCode, body } = await request(`${url}${ANY_BLOB}`, { headers });
  t.equal(statusCode, 206);
  await t.rejects(body.arrayBuffer());
  const first = { range: 'bytes=2000-2999,0-9' };
  t.equal((await request(`${url}${ANY_BLOB}`, { headers: first })).statusCode, 503);
});

/** Ranges that do not overlap, in any order: cuts through the blob, of which every second piece may be asked for. */
const anyRanges = (size: number) =>
  fc
    .uniqueArray(fc.integer({ min: 0, max: size }), { minLength: 4, maxLength: 60 })
    .map((cuts) => cuts.sort((a, b) => a - b))
    .map((cuts) => cuts.slice(1).map((end, index) => ({ start: cuts[index] ?? 0, end })))
    .chain((all) => fc.shuffledSubarray(all, { minLength: 2 }));

t.test('whatever ranges are asked for, the parts are the bytes', async (t) => {
  const bytes = randomBytes(3_000_000);
  const sent: number[] = [];
  const { url } = await startStub(t, {
    admission: granting(memoryReader(bytes, 700_001)),
    observer: { blobServed: (_source, length) => sent.push(length) },
  });
  await fc.assert(
    fc.asyncProperty(anyRanges(bytes.length), async (ranges) => {
      const answer = await request(`${url}${ANY_BLOB}`, {
        headers: { range: rangeHeader(ranges) },
      });
      const body = Buffer.from(await answer.body.arrayBuffer());
      const parts = parseMultipart(answer.headers['content-type'], body);
      const length = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      return (
        answer.statusCode === 206 &&
        answer.headers['content-length'] === `${body.length}` &&
        parts.length === ranges.length &&
        parts.every((part, index) => {
          const asked = ranges[index];
          return (
            part.start === asked?.start &&
            part.end === asked.end &&
            part.bytes.equals(bytes.subarray(part.start, part.end))
          );
        }) &&
        sent.pop() === length
      );
    }),
    { numRuns: 60 },
  );
});

t.test('the length that is promised is the length of what is written', async () => {
  fc.assert(
    fc.property(anyRanges(10_000), (ranges) => {
      const { length, parts, tail } = createMultipart(ranges, 10_000, 'application/octet-stream');
      let written = tail.length;
      for (const { head, start, end } of parts) written += head.length + end - start;
      return written === length;
    }),
  );
});
