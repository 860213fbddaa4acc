import { Header, Pax } from 'tar';
import t from 'tap';
import { tarHeader, tarPadding, tarSize } from '../../src/layout/tar-writer.ts';

t.test('one block where all fits, with nothing of this machine or moment', async (t) => {
  const block = tarHeader('blobs/sha256/abc', 0o7777);
  t.equal(block.length, 512);
  const header = new Header(block, 0);
  t.match(header, { path: 'blobs/sha256/abc', size: 0o7777, type: 'File', cksumValid: true });
  t.match(header, { mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) });
  t.ok(block.equals(tarHeader('blobs/sha256/abc', 0o7777)));
});

t.test('pax for sizes and names that do not fit', async (t) => {
  const path = `blobs/sha512/${'a'.repeat(128)}`;
  for (const [name, size] of [
    ['huge', 9 * 1024 ** 3],
    [path, 5],
  ] as const) {
    const blocks = tarHeader(name, size);
    t.equal(blocks.length, 3 * 512);
    t.match(new Header(blocks, 0), { type: 'ExtendedHeader', cksumValid: true });
    const extended = blocks.subarray(512, 1024).toString().replace(/\0+$/, '');
    const header = new Header(blocks, 1024, Pax.parse(extended));
    t.match(header, { path: name, size, type: 'File', cksumValid: true });
    t.ok(blocks.equals(tarHeader(name, size)), 'the same bytes each time');
  }
});

t.test('content is filled up to a block', async (t) => {
  t.strictSame(
    [0, 1, 511, 512, 513].map((size) => tarPadding(size).length),
    [0, 511, 1, 0, 511],
  );
  t.equal(tarSize('x', 513), 512 + 1024);
});
