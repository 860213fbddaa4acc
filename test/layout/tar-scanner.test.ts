import fc from 'fast-check';
import t, { type Test } from 'tap';
import { scanTar } from '../../src/layout/tar-scanner.ts';
import { LayoutError, type LayoutErrorCode } from '../../src/layout/layout-error.ts';
import { entryOf, resum, tarOf, type TarEntry } from '../helpers/tar.ts';

async function scan(bytes: Buffer) {
  return scanTar({
    size: bytes.length,
    read: (target, position) =>
      Promise.resolve(
        position >= bytes.length ? 0 : bytes.copy(target, 0, position, position + target.length),
      ),
  });
}

async function refuses(t: Test, bytes: Buffer, code: LayoutErrorCode, why: RegExp): Promise<void> {
  const outcome = await scan(bytes).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof LayoutError)) {
    t.fail(`expected ${code}, got ${String(outcome)}`);
    return;
  }
  t.equal(outcome.code, code, outcome.message);
  t.match(outcome.message, why);
}

const text = (content: string): Buffer => Buffer.from(content);
const end = Buffer.alloc(1024);

t.test('finds files, through folders and other spellings of one name', async (t) => {
  const tar = tarOf([
    { name: './', header: { type: 'Directory', size: 0 } },
    { name: './oci-layout', bytes: text('{}') },
    { name: 'blobs/', header: { type: 'Directory', size: 0 } },
    { name: 'blobs/sha256/aa', bytes: text('x'.repeat(513)) },
    { name: 'long', bytes: text('long'), pax: { path: `blobs/sha512/${'b'.repeat(128)}` } },
    { name: 'old', bytes: text('old'), pax: { mtime: new Date(0), uid: 7 } },
  ]);
  const found = await scan(Buffer.concat([tar, Buffer.alloc(9 * 1024)]));
  t.strictSame(
    [...found].map(([name, { start, size }]) => [name, tar.toString('utf8', start, start + size)]),
    [
      ['oci-layout', '{}'],
      ['blobs/sha256/aa', 'x'.repeat(513)],
      [`blobs/sha512/${'b'.repeat(128)}`, 'long'],
      ['old', 'old'],
    ],
  );
});

const hostile: readonly (readonly [title: string, entries: readonly TarEntry[], why: RegExp])[] = [
  [
    'a name that leads out',
    [{ name: 'blobs/../../etc/passwd' }],
    /"blobs\/\.\.\/\.\.\/etc\/passwd" leads out/,
  ],
  [
    'a name that leads out by an extended header',
    [{ name: 'a', pax: { path: '../b' } }],
    /"\.\.\/b" leads out/,
  ],
  ['an absolute name', [{ name: '/etc/passwd' }], /"\/etc\/passwd" has an absolute name/],
  ['a drive', [{ name: 'C:/x' }], /absolute name/],
  ['a backslash', [{ name: 'blobs\\sha256' }], /backslash or control/],
  ['a control character', [{ name: 'a\u0007b' }], /backslash or control/],
  [
    'a symbolic link',
    [{ name: 'l', header: { type: 'SymbolicLink', linkpath: '/etc/passwd', size: 0 } }],
    /"l" is a link/,
  ],
  [
    'a hard link',
    [{ name: 'l', header: { type: 'Link', linkpath: 'x', size: 0 } }],
    /"l" is a link/,
  ],
  [
    'a device',
    [{ name: 'd', header: { type: 'CharacterDevice', size: 0 } }],
    /neither a file nor a folder, but a CharacterDevice/,
  ],
  ['a pipe', [{ name: 'd', header: { type: 'FIFO', size: 0 } }], /but a FIFO/],
  ['a sparse file', [{ name: 'd', header: { type: 'SparseFile', size: 0 } }], /but a SparseFile/],
  [
    'a global header',
    [{ name: 'g', header: { type: 'GlobalExtendedHeader', size: 0 } }],
    /GlobalExtendedHeader before its entries/,
  ],
  [
    'a long name of GNU',
    [{ name: 'g', header: { type: 'NextFileHasLongPath', size: 0 } }],
    /--format=ustar/,
  ],
  ['one name twice', [{ name: 'a' }, { name: 'a' }], /"a" is there twice/],
  ['one name in two spellings', [{ name: 'a/b' }, { name: './a//b' }], /"a\/b" is there twice/],
  [
    'names that differ by case',
    [{ name: 'index.json' }, { name: 'INDEX.json' }],
    /differ in nothing but their spelling/,
  ],
  [
    'names that differ by composition',
    [{ name: 'caf\u00e9' }, { name: 'cafe\u0301' }],
    /differ in nothing/,
  ],
  [
    'a folder with content',
    [{ name: 'd', bytes: text('x'), header: { type: 'Directory' } }],
    /folder "d" has content/,
  ],
  [
    'a folder that is called a file',
    [{ name: 'd/', bytes: text('x') }],
    /folder "d\/" has content/,
  ],
];
for (const [title, entries, why] of hostile) {
  t.test(`refuses ${title}`, (t) => refuses(t, tarOf(entries), 'hostile', why));
}

t.test('refuses extended headers that readers understand in different ways', async (t) => {
  const raw = (body: string): Buffer =>
    Buffer.concat([
      entryOf({ name: 'PaxHeader', bytes: text(body), header: { type: 'ExtendedHeader' } }),
      entryOf({ name: 'a' }),
      end,
    ]);
  for (const [body, why] of [
    ['garbage', /cannot be read/],
    ['9 path=b', /cannot be read/],
    ['99 path=b\n', /cannot be read/],
    ['0 path=b\n', /cannot be read/],
    ['10 path=b\n10 path=c\n', /with "path"/],
    ['12 size=0x1\n', /with "size"/],
    ['12 size=1e3\n', /with "size"/],
    ['25 GNU.sparse.major=1000\n', /with "GNU\.sparse\.major"/],
    ['16 linkpath=abc\n', /with "linkpath"/],
    ['12 path=b\0c\n', /with "path"/],
    ['12 path=b\nc\n', /with "path"/],
  ] as const) {
    await refuses(t, raw(body), 'hostile', why);
  }
  const twice = entryOf({
    name: 'x',
    bytes: text('10 path=b\n'),
    header: { type: 'ExtendedHeader' },
  });
  await refuses(
    t,
    Buffer.concat([twice, twice, entryOf({ name: 'a' }), end]),
    'hostile',
    /two extended headers/,
  );
  await refuses(t, Buffer.concat([twice, end]), 'hostile', /after an extended header of nothing/);
  const huge = {
    name: 'x',
    bytes: Buffer.alloc(65 * 1024),
    header: { type: 'ExtendedHeader' as const },
  };
  await refuses(t, tarOf([huge]), 'too-large', /at most 65536 bytes/);
});

t.test('refuses sizes beyond the file, bad sums and no sizes', async (t) => {
  await refuses(
    t,
    tarOf([{ name: 'a', header: { size: 5000 } }]),
    'truncated',
    /"a" has 5000 bytes by its header, the tar has 1024 left/,
  );
  await refuses(
    t,
    tarOf([{ name: 'a', pax: { size: 2 ** 40 } }]),
    'truncated',
    /"a" has 1099511627776 bytes/,
  );
  const first = entryOf({ name: 'a' });
  const bad = entryOf({ name: 'b' });
  bad[0] = 0x63;
  await refuses(
    t,
    Buffer.concat([first, bad, end]),
    'hostile',
    /header at byte 512 of the tar has a wrong sum/,
  );
  const sizeless = entryOf({ name: 'b' });
  sizeless.write('zzzzzzzzzzz\0', 124, 'latin1');
  await refuses(t, Buffer.concat([first, resum(sizeless), end]), 'hostile', /"b" has no size/);
  const negative = entryOf({ name: 'b' });
  negative.fill(0xff, 124, 136);
  await refuses(t, Buffer.concat([first, resum(negative), end]), 'hostile', /"b" has no size/);
});

t.test(
  'refuses a tar that was cut off anywhere, and one that goes on behind its end',
  async (t) => {
    const whole = tarOf([
      { name: 'a', bytes: text('x'.repeat(700)) },
      { name: 'b', bytes: text('y') },
    ]);
    for (let length = 512; length < whole.length; length += 37) {
      const outcome = await scan(whole.subarray(0, length)).catch((error: unknown) => error);
      if (!(outcome instanceof LayoutError) || outcome.code !== 'truncated') {
        t.fail(`cut to ${length}: ${String(outcome)}`);
      }
    }
    const more = Buffer.concat([whole, entryOf({ name: 'c' })]);
    await refuses(t, more, 'hostile', /content behind its end/);
    const long = Buffer.concat([whole, Buffer.alloc(2 * 1024 * 1024)]);
    await refuses(t, long, 'hostile', /goes on for \d+ bytes behind its end/);
  },
);

t.test('says what a compressed file is, and how to unpack it', async (t) => {
  for (const [magic, name] of [
    ['1f8b0800', 'gzip: unpack it first, "gunzip FILE"'],
    ['28b52ffd', 'zstd'],
    ['fd377a585a00', 'xz'],
    ['425a6839', 'bzip2'],
  ] as const) {
    const bytes = Buffer.alloc(2048, 1);
    bytes.write(magic, 'hex');
    await refuses(t, bytes, 'compressed', new RegExp(name));
  }
  await refuses(t, Buffer.alloc(2048, 1), 'not-a-layout', /another beginning/);
  await refuses(t, Buffer.alloc(3, 1), 'not-a-layout', /got a file of 3 bytes/);
});

t.test('stops at a bomb of entries', async (t) => {
  const block = entryOf({ name: 'a', header: { type: 'Directory', size: 0 } });
  const one = (index: number): Buffer => {
    const copy = Buffer.from(block);
    copy.write(`d${index}\0`, 0, 'latin1');
    return resum(copy);
  };
  const bomb = Buffer.concat([...Array.from({ length: 100_001 }, (_, index) => one(index)), end]);
  await refuses(t, bomb, 'too-large', /at most 100000 entries/);
});

t.test('whatever it is given, it answers or refuses', async (t) => {
  const whole = tarOf([
    { name: 'a', bytes: text('x') },
    { name: 'b', pax: { path: 'c' } },
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
      async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        await scan(bytes).catch((error: unknown) => {
          if (!(error instanceof LayoutError)) throw error;
        });
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});
