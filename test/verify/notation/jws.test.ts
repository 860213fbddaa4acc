/** JWS envelopes from strangers: flattened JSON with one reading, and nothing unsigned taken for signed. */
import fc from 'fast-check';
import t from 'tap';
import { checkNotation } from '../../../src/verify/notation/check-signature.ts';
import { parseJws } from '../../../src/verify/notation/jws.ts';
import { issueSigner, NOTATION_TIME, rootOfStores } from '../../helpers/notation/certificate.ts';
import { base64url, signJws, type JwsOptions } from '../../helpers/notation/signed.ts';
import { refuses, target } from './target.ts';

const signer = issueSigner();
const NAME = 'io.cncf.notary';
const sign = (options: JwsOptions = {}): Buffer => signJws(signer, target, options);

t.test('reads an envelope as its signer wrote it', async (t) => {
  const timestamp = Buffer.from('a token');
  const envelope = parseJws(sign({ timestamp: () => timestamp }));
  t.equal(envelope.kind, 'jws');
  t.equal(envelope.algorithm, 'ES256');
  t.strictSame(
    envelope.chain.map(({ der }) => der),
    [signer.der],
  );
  t.strictSame(envelope.timestamp, timestamp);
  t.match(envelope.payload.toString(), /^\{"targetArtifact":/);
  t.match(envelope.signed.toString(), /^[\w-]+\.[\w-]+$/);
  t.equal(parseJws(sign()).timestamp, undefined);
});

const times: readonly (readonly [text: string, time: number])[] = [
  ['2026-05-01T20:00:00+08:00', NOTATION_TIME],
  ['2026-05-01T06:30:00-05:30', NOTATION_TIME],
  ['2026-05-01T12:00:00.25Z', NOTATION_TIME + 250],
  ['2026-05-01T12:00:00.123456789Z', NOTATION_TIME + 123],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
];
for (const [text, time] of times) {
  t.test(`reads ${text}`, async (t) => {
    const { attributes } = parseJws(sign({ signed: { [`${NAME}.signingTime`]: text } }));
    t.equal(attributes.signingTime, time);
  });
}

const noTimes: readonly unknown[] = [
  '2026-05-01T12:00:00',
  '2026-05-01t12:00:00z',
  '2026-05-01 12:00:00Z',
  '2026-05-01',
  '2026-02-29T00:00:00Z',
  '2026-05-01T24:00:00Z',
  '2026-06-30T23:59:60Z',
  '2026-05-01T12:00:00+24:00',
  '2026-05-01T12:00:00+08:60',
  '2026-05-01T12:00:00.Z',
  '0000-01-01T00:00:00Z',
  '+002026-05-01T12:00:00Z',
  ' 2026-05-01T12:00:00Z',
  NOTATION_TIME,
  null,
  '',
];
for (const value of noTimes) {
  t.test(`refuses ${JSON.stringify(value)} as a time`, async (t) => {
    const change = { [`${NAME}.signingTime`]: value };
    refuses(t, () => parseJws(sign({ signed: change })), /signingTime to be an RFC 3339 time/);
  });
}

const x5c = (...certificates: readonly unknown[]): JwsOptions => ({
  unsigned: { x5c: certificates },
});
const der = signer.der.toString('base64');
const scheme = `"${NAME}.signingScheme":"notary.x509"`;
const refused: readonly (readonly [what: string, options: JwsOptions, message: RegExp])[] = [
  ['a second serialization', { envelope: { signatures: [] } }, /unexpected member "signatures"/],
  ['any other member', { envelope: { note: 1 } }, /unexpected member "note"/],
  ['a member in capitals', { envelope: { Payload: 'e30' } }, /unexpected member "Payload"/],
  ['no header', { envelope: { header: undefined } }, /expected the header to be an object/],
  ['no payload', { envelope: { payload: undefined } }, /expected payload to be text/],
  ['an empty payload', { envelope: { payload: '' } }, /payload to be base64url/],
  ['a payload that is JSON', { envelope: { payload: { a: 1 } } }, /payload to be text/],
  ['a signature in base64', { envelope: { signature: '+/+/' } }, /signature to be base64url/],
  ['a padded signature', { envelope: { signature: 'YQ==' } }, /signature to be base64url/],
  ['a second spelling of a signature', { envelope: { signature: 'YR' } }, /base64url/],
  [
    'a protected header with blanks',
    { envelope: { protected: 'e30 ' } },
    /protected to be base64url/,
  ],
  ['a protected header that is no object', { signedText: '[]' }, /to be an object/],
  ['a protected header that is no JSON', { signedText: '{' }, /JSON/],
  ['a huge payload', { payload: Buffer.alloc(128 * 1024 + 3) }, /payload to be text of at most/],
  ['a protected member twice', { signedText: `{${scheme},${scheme}}` }, /duplicate member/],
  ['a protected member in capitals', { signed: { ALG: 'ES256' } }, /ambiguous/],
  [
    'an attribute in other letters, which Go takes for the expiry',
    { signed: { [`${NAME}.Expiry`]: '2020-01-01T00:00:00Z' } },
    /ambiguous/,
  ],
  ['an unencoded payload (RFC 7797)', { signed: { b64: false } }, /b64/],
  ['no crit', { signed: { crit: undefined } }, /to be critical/],
  ['null as crit', { signed: { crit: null } }, /to be critical/],
  ['a text as crit', { signed: { crit: `${NAME}.signingScheme` } }, /crit to be a list/],
  ['a number in crit', { signed: { crit: [1] } }, /name in crit/],
  [
    'alg in crit',
    { critical: [`${NAME}.signingScheme`, 'alg'] },
    /unknown critical attribute "alg"/,
  ],
  ['no alg', { signed: { alg: undefined } }, /alg to be text/],
  ['no content type', { signed: { cty: undefined } }, /cty to be text/],
  [
    'a list as the scheme',
    { signed: { [`${NAME}.signingScheme`]: ['notary.x509'] } },
    /to be text/,
  ],
  ['alg beside the signature', { unsigned: { alg: 'none' } }, /"alg" to be signed/],
  [
    'an expiry beside the signature',
    { unsigned: { [`${NAME}.expiry`]: '2099-01-01T00:00:00Z' } },
    /expiry\\?" to be signed/,
  ],
  [
    'a name in both headers',
    { signed: { kid: 'a' }, unsigned: { kid: 'b' } },
    /expected attribute "kid" to be signed/,
  ],
  ['certificates in capitals', { unsigned: { X5C: [der] } }, /ambiguous/],
  ['no certificates', { unsigned: { x5c: undefined } }, /1 to 8 certificates, got 0/],
  [
    'certificates that are signed',
    { signed: { x5c: [der] }, unsigned: { x5c: undefined } },
    /got 0/,
  ],
  ['a certificate as a text', { unsigned: { x5c: der } }, /x5c to be a list/],
  ['a certificate in PEM', x5c(signer.pem), /base64/],
  ['a certificate with blanks', x5c(` ${der}`), /base64/],
  ['a certificate that is null', x5c(null), /base64/],
  [
    'a timestamp that is no text',
    { unsigned: { [`${NAME}.timestampSignature`]: [] } },
    /timestampSignature to be base64/,
  ],
  [
    'a huge timestamp',
    { unsigned: { [`${NAME}.timestampSignature`]: 'A'.repeat(88_000) } },
    /timestampSignature to be base64 of at most/,
  ],
];
for (const [what, options, message] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    refuses(t, () => parseJws(sign(options)), message);
  });
}

t.test('what is beside the signature and means nothing may be there', async (t) => {
  const unsigned = { kid: 'mine', [`${NAME}.SigningAgent`]: 7, [`${NAME}.signingAgent`]: null };
  t.equal(parseJws(sign({ unsigned })).kind, 'jws');
});

t.test('refuses what is no JSON object', async (t) => {
  for (const text of ['', '[]', 'null', '"a"', '{}', 'x', '{"payload":"e30","payload":"e30"}']) {
    refuses(t, () => parseJws(Buffer.from(text)), /./);
  }
  refuses(t, () => parseJws(Buffer.from([0x7b, 0xff, 0x7d])), /UTF-8/);
});

t.test('a changed envelope says the same or nothing', async (t) => {
  const root = rootOfStores({ ca: [signer] });
  const given = sign({ annotations: { build: '7' } });
  const check = (bytes: Buffer) =>
    checkNotation({ mediaType: 'application/jose+json', bytes }, target, root, {
      now: NOTATION_TIME,
    });
  const facts = await check(given);
  t.equal(facts.authenticity.ok, true);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(given.length - 1),
      fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constant(undefined)),
      async (at, change) => {
        const changed = Buffer.from(given);
        if (change !== undefined) changed.writeUInt8(changed.readUInt8(at) ^ change, at);
        try {
          t.strictSame(await check(change === undefined ? given.subarray(0, at) : changed), facts);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
        }
      },
    ),
    { numRuns: 100 },
  );
});

t.test('any JSON and any protected header is read or refused, and nothing else', async (t) => {
  const header = JSON.parse(sign().toString()) as Record<string, unknown>;
  const shapes = fc.oneof(
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({
        payload: fc.base64String(),
        protected: fc.json().map(base64url),
        header: fc.oneof(fc.constant(header['header']), fc.object()),
        signature: fc.base64String().map(base64url),
      })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(shapes, (bytes) => {
      refuses(t, () => parseJws(bytes), /./);
    }),
    { numRuns: 100 },
  );
});
