/** Simple-signing payloads: one digest, one type, one reading. */
import fc from 'fast-check';
import t from 'tap';
import { parseSimpleSigningPayload } from '../../../src/verify/simple-signing/payload.ts';
import { digestOfText, simplePayload } from '../../helpers/signer.ts';

const digest = digestOfText('image');
const other = digestOfText('another');
const TYPE = 'cosign container image signature';
const IMAGE = { 'docker-manifest-digest': digest };

const parse = (value: unknown) => parseSimpleSigningPayload(Buffer.from(JSON.stringify(value)));

t.test('reads what cosign signs', (t) => {
  t.same(parseSimpleSigningPayload(simplePayload(digest)), {
    digest,
    dockerReference: 'registry.test/team/app',
  });
  t.same(parse({ critical: { image: IMAGE, type: TYPE } }), { digest, dockerReference: undefined });
  const optional = { creator: 'me', timestamp: 7, nested: { a: [1] } };
  t.match(parse({ critical: { image: IMAGE, type: TYPE, identity: null }, optional }), { digest });
  t.end();
});

t.test("reads the digest under the specification's own spelling", (t) => {
  const image = { 'Docker-manifest-digest': digest };
  t.equal(parse({ critical: { image, type: TYPE } }).digest, digest);
  t.end();
});

t.test('refuses two digests, however the second is spelled', (t) => {
  for (const name of [
    'Docker-manifest-digest',
    'DOCKER-MANIFEST-DIGEST',
    'doc\u212aer-manifest-digest',
    'docker-manife\u017ft-digest',
  ]) {
    for (const image of [
      { ...IMAGE, [name]: other },
      { [name]: other, ...IMAGE },
    ]) {
      t.throws(
        () => parse({ critical: { image, type: TYPE } }),
        { message: /expected one .*, got 2/ },
        name,
      );
    }
  }
  const text = JSON.stringify({ critical: { image: IMAGE, type: TYPE } });
  const twice = text.replace('"image":{', `"image":{"docker-manifest-digest":"${other}",`);
  t.throws(() => parseSimpleSigningPayload(Buffer.from(twice)), { message: /^duplicate member/ });
  t.end();
});

t.test('refuses everything that is not such a payload', (t) => {
  const critical = { image: IMAGE, type: TYPE };
  const wrong: readonly unknown[] = [
    null,
    [],
    'x',
    7,
    {},
    { critical: null },
    { critical: [] },
    { critical: { image: IMAGE } },
    { critical: { ...critical, type: 'atomic container signature' } },
    { critical: { ...critical, type: `${TYPE} ` } },
    { critical: { ...critical, type: [TYPE] } },
    { critical: { ...critical, type: null } },
    { critical: { type: TYPE } },
    { critical: { ...critical, image: null } },
    { critical: { ...critical, image: digest } },
    { critical: { ...critical, image: [digest] } },
    { critical: { ...critical, image: {} } },
    { critical: { ...critical, image: { 'docker-manifest-digests': digest } } },
    ...[
      '',
      null,
      7,
      [digest],
      digest.slice(7),
      digest.toUpperCase(),
      `${digest} `,
      `sha384:${'0'.repeat(96)}`,
    ].map((value) => ({ critical: { ...critical, image: { 'docker-manifest-digest': value } } })),
    { critical, Critical: critical },
    { Critical: critical },
    { critical: { ...critical, Image: { 'docker-manifest-digest': other } } },
    { critical: { ...critical, Type: TYPE } },
    { critical, OPTIONAL: null },
    [{ critical }],
  ];
  for (const value of wrong) t.throws(() => parse(value), SyntaxError, JSON.stringify(value));
  const good = simplePayload(digest);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.concat([good, good]),
    Buffer.concat([Buffer.from('\ufeff'), good]),
  ]) {
    t.throws(() => parseSimpleSigningPayload(bytes), SyntaxError);
  }
  t.end();
});

t.test('any bytes are a payload with a digest or a SyntaxError', (t) => {
  const member = fc.constantFrom(
    'critical',
    'image',
    'type',
    'identity',
    'docker-manifest-digest',
    'optional',
  );
  const object = (leaf: fc.Arbitrary<unknown>) => fc.dictionary(member, leaf, { maxKeys: 3 });
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom<unknown>(TYPE, digest, IMAGE),
  );
  const json = object(fc.oneof(value, object(fc.oneof(value, object(value))))).map((it) =>
    Buffer.from(JSON.stringify(it)),
  );
  const cut = fc.nat(200).map((end) => simplePayload(digest).subarray(0, end));
  fc.assert(
    fc.property(fc.oneof(json, cut, fc.uint8Array()), (bytes) => {
      try {
        return parseSimpleSigningPayload(bytes).digest === digest;
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
