/** Digests: one canonical spelling, and bytes that are what it says. */
import fc from 'fast-check';
import t from 'tap';
import {
  digestAlgorithm,
  digestHex,
  digestMatches,
  digestOf,
  finishDigest,
  isDigest,
  parseDigest,
  startDigest,
} from '../../src/oci/digest.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const EMPTY_512 =
  'sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e';

t.test('reads sha256 and sha512 digests, and names the empty content', (t) => {
  for (const [text, algorithm] of [
    [EMPTY, 'sha256'],
    [EMPTY_512, 'sha512'],
  ] as const) {
    const digest = parseDigest(text);
    t.equal(digest, text);
    t.equal(digestAlgorithm(digest), algorithm);
    t.equal(digestHex(digest), text.slice(7));
    t.equal(digestOf(Buffer.alloc(0), algorithm), text);
    t.equal(finishDigest(startDigest(digest), algorithm), text);
    t.ok(digestMatches(Buffer.alloc(0), digest));
    t.notOk(digestMatches(Buffer.from('x'), digest));
  }
  t.end();
});

t.test('refuses every other spelling', (t) => {
  const hex = EMPTY.slice(7);
  const wrong: readonly unknown[] = [
    '',
    hex,
    `sha256-${hex}`,
    `SHA256:${hex}`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex.slice(1)}`,
    `sha256:${hex}0`,
    `sha256:${hex}\n`,
    ` sha256:${hex}`,
    `sha256:${hex.slice(0, -1)}g`,
    `sha256:${hex.slice(0, -1)}\u0660`,
    `sha256:${EMPTY_512.slice(7)}`,
    `sha512:${hex}`,
    `sha384:${'0'.repeat(96)}`,
    `md5:${'0'.repeat(32)}`,
    `sha256+b64:${hex}`,
    `sha256:${'../'.repeat(21)}x`,
    undefined,
    null,
    7,
    [EMPTY],
    { toString: () => EMPTY },
  ];
  for (const value of wrong) {
    t.notOk(isDigest(value));
    t.throws(() => parseDigest(value), SyntaxError);
  }
  t.end();
});

t.test('a refusal quotes no more than the beginning', (t) => {
  const message = /^expected a sha256 or sha512 digest, got .{1,200}$/;
  t.throws(() => parseDigest('x'.repeat(10_000)), { message });
  t.end();
});

t.test('a digest names its bytes and no others', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.uint8Array(),
      fc.constantFrom('sha256', 'sha512'),
      (one, other, algorithm) => {
        const digest = digestOf(one, algorithm);
        return digestMatches(other, digest) === Buffer.from(one).equals(Buffer.from(other));
      },
    ),
  );
  t.end();
});
