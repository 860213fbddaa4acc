/** Descriptors: every member of the wrong shape is refused, what is only for people is never trusted with a terminal. */
import fc from 'fast-check';
import t from 'tap';
import { parseAnnotations, parseDescriptor } from '../../src/oci/descriptor.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const LAYER = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 7 };

t.test('reads what the specification names', (t) => {
  t.same(parseDescriptor(LAYER), LAYER);
  const whole = {
    ...LAYER,
    artifactType: 'application/x',
    annotations: { a: 'b' },
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    urls: ['https://elsewhere.test'],
    data: 'e30=',
    vendor: true,
  };
  t.same(parseDescriptor(whole), {
    ...LAYER,
    artifactType: 'application/x',
    annotations: { a: 'b' },
    platform: 'linux/arm/v7',
  });
  t.end();
});

t.test('refuses every required member of another shape', (t) => {
  const changes: readonly object[] = [
    ...[
      '',
      null,
      undefined,
      7,
      [],
      {},
      'x'.repeat(256),
      ' x',
      'a\u001b[2Jb',
      'a\nb',
      'a\u00e9',
    ].map((mediaType) => ({ mediaType })),
    ...['', null, undefined, 7, 'sha256:x', DIGEST.toUpperCase(), `${DIGEST}\n`].map((digest) => ({
      digest,
    })),
    ...[-1, 1.5, null, undefined, '7', 2 ** 53, Infinity, NaN, [7]].map((size) => ({ size })),
    ...[[], 'x', 7, { a: 1 }, { a: null }, { a: ['b'] }].map((annotations) => ({ annotations })),
    { Digest: DIGEST },
    { diɡest: DIGEST, MEDIATYPE: 'x' },
    { '\u017fize': 1 },
  ];
  for (const change of changes) {
    t.throws(() => parseDescriptor({ ...LAYER, ...change }), SyntaxError, JSON.stringify(change));
  }
  for (const value of [null, undefined, [], 'x', 7]) {
    t.throws(() => parseDescriptor(value), SyntaxError);
  }
  t.end();
});

t.test('takes sizes up to what a number holds exactly', (t) => {
  for (const size of [0, 1, 2 ** 53 - 1]) t.equal(parseDescriptor({ ...LAYER, size }).size, size);
  t.equal(parseDescriptor({ ...LAYER, mediaType: 'x'.repeat(255) }).mediaType.length, 255);
  t.end();
});

t.test('leaves out a platform that is malformed or would write on a terminal', (t) => {
  const platforms: readonly unknown[] = [
    null,
    'linux/amd64',
    {},
    { os: 'linux' },
    { os: 'linux', architecture: 7 },
    { os: 'linux\u001b[31m', architecture: 'amd64' },
    { os: 'linux', architecture: 'a'.repeat(100) },
  ];
  for (const platform of platforms) {
    t.equal(parseDescriptor({ ...LAYER, platform }).platform, undefined);
  }
  t.end();
});

t.test('annotations named like members of every object are annotations', (t) => {
  const annotations = parseAnnotations(JSON.parse('{"__proto__":"x","constructor":"y"}'));
  t.same(Object.entries(annotations ?? {}), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  t.notOk('toString' in (parseAnnotations({}) ?? { toString: 0 }));
  t.equal(parseAnnotations(null), undefined);
  t.equal(parseAnnotations(undefined), undefined);
  t.end();
});

t.test('any value is a descriptor or a SyntaxError', (t) => {
  const value = fc.oneof(fc.anything(), fc.jsonValue());
  const member = fc.constantFrom('mediaType', 'digest', 'size', 'annotations', 'platform', 'Size');
  fc.assert(
    fc.property(fc.dictionary(member, value), fc.boolean(), (changes, whole) => {
      try {
        parseDescriptor(whole ? { ...LAYER, ...changes } : changes);
      } catch (error) {
        return error instanceof SyntaxError;
      }
      return true;
    }),
    { numRuns: 1000 },
  );
  t.end();
});
