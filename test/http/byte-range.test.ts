/** Byte ranges of blobs: RFC 9110 §14, and the seven cases of the distribution-spec's conformance suite. */
import t from 'tap';
import { MAX_RANGES, parseByteRanges } from '../../src/http/byte-range.ts';
import { openLab } from '../helpers/lab.ts';
import { rawGet } from '../helpers/raw-http.ts';
import { ANY_BLOB, granting, memoryReader, startStub } from '../helpers/stub-server.ts';

const SIZE = 2_500;
const whole = undefined;

type Expected = ReturnType<typeof parseByteRanges>;

const cases: readonly (readonly [string | undefined, Expected])[] = [
  [undefined, whole],
  ['bytes=500-1499', [{ start: 500, end: 1500 }]],
  ['bytes=0-0', [{ start: 0, end: 1 }]],
  ['bytes=0-', [{ start: 0, end: SIZE }]],
  ['bytes=500-', [{ start: 500, end: SIZE }]],
  ['bytes=-500', [{ start: SIZE - 500, end: SIZE }]],
  ['bytes=-5000', [{ start: 0, end: SIZE }]],
  ['bytes=2000-5000', [{ start: 2000, end: SIZE }]],
  ['bytes=2499-2499', [{ start: 2499, end: SIZE }]],
  ['bytes= 5-9', [{ start: 5, end: 10 }]],
  ['Bytes=5-9', [{ start: 5, end: 10 }]],
  ['bytes=500-0', 'unsatisfiable'],
  ['bytes=2500-', 'unsatisfiable'],
  ['bytes=5000-10000', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=999999999999999-', 'unsatisfiable'],
  ['bytes=-', whole],
  ['bytes=a-b', whole],
  ['bytes=1-2-3', whole],
  ['bytes=0x1-2', whole],
  ['bytes=-1-2', whole],
  ['bytes=1 2-5', whole],
  ['bytes=9999999999999999-', whole],
  ['items=0-5', whole],
  ['', whole],
];

const several: readonly (readonly [string, Expected])[] = [
  [
    'bytes=0-1,5-9',
    [
      { start: 0, end: 2 },
      { start: 5, end: 10 },
    ],
  ],
  [
    'bytes=5-9, 0-1\t,-1',
    [
      { start: 5, end: 10 },
      { start: 0, end: 2 },
      { start: SIZE - 1, end: SIZE },
    ],
  ],
  [
    'bytes=,0-1,,2-3,',
    [
      { start: 0, end: 2 },
      { start: 2, end: 4 },
    ],
  ],
  ['bytes=0-1,9000-', [{ start: 0, end: 2 }]],
  ['bytes=9000-,5-0,0-1', [{ start: 0, end: 2 }]],
  ['bytes=9000-,5-0,-0', 'unsatisfiable'],
  ['bytes=0-1,nonsense', whole],
  ['bytes=0-1,-', whole],
  ['bytes=9000-,nonsense', whole],
  ['bytes=,', whole],
  ['bytes=0-5,5-9', whole],
  ['bytes=5-9,0-5', whole],
  ['bytes=0-,0-', whole],
  ['bytes=0-9,100-,-10', whole],
  ['bytes=0-1;5-9', whole],
];

for (const [header, expected] of [...cases, ...several]) {
  t.test(`${header ?? 'no header'} of ${SIZE} bytes`, async (t) => {
    t.strictSame(parseByteRanges(header, SIZE), expected);
  });
}

t.test('no more ranges are read than a client has use for', async (t) => {
  const header = (count: number): string =>
    `bytes=${Array.from({ length: count }, (_, index) => `${2 * index}-${2 * index}`).join(',')}`;
  t.equal(parseByteRanges(header(MAX_RANGES), SIZE)?.length, MAX_RANGES);
  t.equal(parseByteRanges(header(MAX_RANGES + 1), SIZE), whole);
  t.equal(parseByteRanges(`bytes=0-1${','.repeat(60_000)}`, SIZE), whole);
});

t.test('nothing of an empty blob can be satisfied but the whole', async (t) => {
  t.equal(parseByteRanges(undefined, 0), undefined);
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) {
    t.equal(parseByteRanges(header, 0), 'unsatisfiable');
  }
});

for (const state of ['from the cache', 'while it fills']) {
  t.test(`ranges are answered ${state}, for HEAD as for GET`, async (t) => {
    const { signed, get, head } = await openLab(t);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
    const image = signed('app', { tag: 'v1', layers: [bytes] });
    const target = `blobs/${image.layers[0] ?? ''}`;
    await get('manifests/v1');
    if (state === 'from the cache') await get(target);
    for (const [range, start, end] of [
      ['bytes=500-1499', 500, 1500],
      ['bytes=500-', 500, bytes.length],
      ['bytes=-500', bytes.length - 500, bytes.length],
      ['bytes=299999-400000', 299_999, bytes.length],
    ] as const) {
      const answer = await get(target, { range });
      t.equal(answer.status, 206);
      t.ok(answer.body.equals(bytes.subarray(start, end)), range);
      const expected = {
        'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
        'content-length': `${end - start}`,
        'content-type': 'application/octet-stream',
        'accept-ranges': 'bytes',
      };
      t.match(answer.headers, expected);
      const asked = await head(target, { range });
      t.equal(asked.status, 206);
      t.match(asked.headers, expected);
    }
    for (const range of ['bytes=500-0', 'bytes=500000-1000000']) {
      const answer = await get(target, { range });
      t.equal(answer.status, 416);
      t.equal(answer.headers['content-range'], `bytes */${bytes.length}`);
      t.equal(answer.body.length, 0);
    }
    for (const range of ['bytes=0-9,5-14', 'bytes=0-9,nonsense', 'bytes=0-,0-,0-,0-']) {
      const answer = await get(target, { range });
      t.equal(answer.status, 200);
      t.ok(answer.body.equals(bytes), `${range} is answered with the whole`);
    }
  });
}

t.test('a range is as long as it says, to the byte', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  const { url } = await startStub(t, { admission: granting(memoryReader(bytes)) });
  for (const [start, end] of [
    [500, 1499],
    [262_000, 262_500],
  ] as const) {
    const { status, body } = await rawGet(url, ANY_BLOB, [`Range: bytes=${start}-${end}`]);
    t.equal(status, 206);
    t.equal(body.length, end + 1 - start);
    t.ok(body.equals(bytes.subarray(start, end + 1)));
  }
});

t.test('If-Range keeps the range only for the same content', async (t) => {
  const { signed, get } = await openLab(t);
  const { config } = signed('app', { tag: 'v1' });
  await get('manifests/v1');
  const range = 'bytes=0-3';
  t.equal((await get(`blobs/${config}`, { range, 'if-range': `"${config}"` })).status, 206);
  t.equal((await get(`blobs/${config}`, { range, 'if-range': '"other"' })).status, 200);
  const date = 'Thu, 01 Jan 2026 00:00:00 GMT';
  t.equal((await get(`blobs/${config}`, { range, 'if-range': date })).status, 200);
});
