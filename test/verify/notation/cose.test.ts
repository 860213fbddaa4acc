/** COSE envelopes from strangers: COSE_Sign1 with its tag, in strict CBOR, and nothing unsigned taken for signed. */
import fc from 'fast-check';
import t from 'tap';
import { checkNotation } from '../../../src/verify/notation/check-signature.ts';
import { parseCose } from '../../../src/verify/notation/cose.ts';
import * as cbor from '../../helpers/notation/cbor.ts';
import {
  chainOf,
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  rootOfStores,
} from '../../helpers/notation/certificate.ts';
import { payloadOf, signCose, type CoseOptions } from '../../helpers/notation/signed.ts';
import { refuses, target } from './target.ts';

const signer = issueSigner();
const NAME = 'io.cncf.notary';
const sign = (options: CoseOptions = {}): Buffer => signCose(signer, target, options);
const check = (bytes: Buffer) =>
  checkNotation({ mediaType: 'application/cose', bytes }, target, rootOfStores({ ca: [signer] }), {
    now: NOTATION_TIME,
  });

/** Takes the entry of a label away and puts another in its place. */
const instead =
  (label: string | number, value?: Buffer) =>
  (entries: readonly cbor.Entry[]): readonly cbor.Entry[] => [
    ...entries.filter(([key]) => !key.equals(cbor.label(label))),
    ...(value === undefined ? [] : [[cbor.label(label), value] as const]),
  ];
const also =
  (label: string | number, value: Buffer) =>
  (entries: readonly cbor.Entry[]): readonly cbor.Entry[] => [
    ...entries,
    [cbor.label(label), value],
  ];

t.test('reads an envelope as its signer wrote it', async (t) => {
  const timestamp = Buffer.from('a token');
  const envelope = parseCose(sign({ timestamp: () => timestamp }));
  t.equal(envelope.kind, 'cose');
  t.equal(envelope.algorithm, 'ES256');
  t.strictSame(
    envelope.chain.map(({ der }) => der),
    [signer.der],
  );
  t.strictSame(envelope.timestamp, timestamp);
  t.strictSame(envelope.payload, payloadOf(target));
  t.equal(parseCose(sign()).timestamp, undefined);
});

t.test('the signature holds over contents of every length of length', async (t) => {
  for (const size of [0, 20, 200, 300, 70_000]) {
    const annotations = { a: 'x'.repeat(size) };
    t.match(await check(sign({ annotations })), { annotations: new Map([['a', annotations.a]]) });
  }
});

t.test('the order of a header is free', async (t) => {
  const reversed = (entries: readonly cbor.Entry[]): readonly cbor.Entry[] =>
    [...entries].reverse();
  const bytes = sign({ signedEntries: reversed, unsignedEntries: reversed });
  t.match(await check(bytes), { authenticity: { ok: true } });
});

t.test('the chain may be signed along', async (t) => {
  const by = issueSigner({ issuer: issueNotationAuthority('root') });
  const value = cbor.array(...chainOf(by).map(({ der }) => cbor.bytes(der)));
  const bytes = signCose(by, target, {
    signedEntries: also(33, value),
    unsignedEntries: instead(33),
  });
  t.equal(parseCose(bytes).chain.length, 2);
});

t.test('a time may have a fraction', async (t) => {
  const time = (milliseconds: number): Buffer => {
    const float = Buffer.alloc(9, 0xfb);
    float.writeDoubleBE(milliseconds / 1000 + 0.5, 1);
    return cbor.tag(1, float);
  };
  t.equal(parseCose(sign({ time })).attributes.signingTime, NOTATION_TIME + 500);
});

const seconds = cbor.integer(NOTATION_TIME / 1000);
const noTimes: readonly (readonly [what: string, value: Buffer])[] = [
  ['a number without its tag', seconds],
  ['text with tag 0', cbor.tag(0, cbor.text('2026-05-01T12:00:00Z'))],
  ['text with tag 1', cbor.tag(1, cbor.text('2026-05-01T12:00:00Z'))],
  ['text', cbor.text('2026-05-01T12:00:00Z')],
  ['a tag in the tag', cbor.tag(1, cbor.tag(1, seconds))],
  ['days with tag 100', cbor.tag(100, seconds)],
  ['no number', cbor.tag(1, Buffer.from('f97e00', 'hex'))],
  ['infinity', cbor.tag(1, Buffer.from('f97c00', 'hex'))],
  ['a time beyond every calendar', cbor.tag(1, cbor.integer(2n ** 63n))],
  ['null', Buffer.from([0xf6])],
];
for (const [what, value] of noTimes) {
  for (const name of ['signingTime', 'expiry']) {
    t.test(`refuses ${what} as ${name}`, async (t) => {
      const label = `${NAME}.${name}`;
      refuses(
        t,
        () => parseCose(sign({ signedEntries: instead(label, value) })),
        /to be an epoch time with tag 1/,
      );
    });
  }
}

const array = (parts: readonly Buffer[]): Buffer => cbor.tag(18, cbor.array(...parts));
const part =
  (at: number, value: (part: Buffer) => Buffer) =>
  (parts: readonly Buffer[]): Buffer =>
    array(parts.map((bytes, index) => (index === at ? value(bytes) : bytes)));
const nil = Buffer.from([0xf6]);
const der = cbor.bytes(signer.der);
const scheme = cbor.text(`${NAME}.signingScheme`);

const refused: readonly (readonly [what: string, options: CoseOptions, message: RegExp])[] = [
  ['one without its tag', { wrap: (parts) => cbor.array(...parts) }, /with its tag/],
  ['COSE_Sign', { wrap: (parts) => cbor.tag(98, cbor.array(...parts)) }, /with its tag/],
  ['COSE_Mac0', { wrap: (parts) => cbor.tag(17, cbor.array(...parts)) }, /with its tag/],
  ['a tag twice', { wrap: (parts) => cbor.tag(18, array(parts)) }, /with its tag/],
  ['CBOR that says that it is', { wrap: (parts) => cbor.tag(55_799, array(parts)) }, /its tag/],
  ['three parts', { wrap: (parts) => array(parts.slice(0, 3)) }, /expected 4 parts .*, got 3/],
  ['five parts', { wrap: (parts) => array([...parts, nil]) }, /expected 4 parts .*, got 5/],
  ['bytes after it', { wrap: (parts) => Buffer.concat([array(parts), nil]) }, /unexpected bytes/],
  [
    'an array of indefinite length',
    {
      wrap: (parts) => Buffer.concat([Buffer.from([0xd2, 0x9f]), ...parts, Buffer.from([0xff])]),
    },
    /definite/,
  ],
  ['a detached payload', { wrap: part(2, () => nil) }, /the payload to be a byte string/],
  ['a payload as text', { wrap: part(2, () => cbor.text('{}')) }, /the payload to be a byte/],
  ['no signature', { wrap: part(3, () => nil) }, /the signature to be a byte string/],
  ['a protected header that is not wrapped', { wrap: part(0, () => cbor.map([])) }, /byte string/],
  ['a protected header of no bytes', { signedBytes: Buffer.alloc(0) }, /ends too early/],
  ['a protected header of nothing', { signedBytes: cbor.map([]) }, /alg/],
  ['a protected header that is a list', { signedBytes: cbor.array() }, /to be a map/],
  [
    'bytes after the protected header',
    {
      signedBytes: Buffer.concat([cbor.map([]), nil]),
    },
    /unexpected bytes/,
  ],
  [
    'a protected header of indefinite length',
    {
      signedBytes: Buffer.from([0xbf, 0xff]),
    },
    /definite/,
  ],
  [
    'a long length before the protected header',
    {
      // Its own length takes one byte: 0x58 0x.. becomes 0x59 0x00 0x...
      wrap: part(0, (bytes) => Buffer.concat([Buffer.from([0x59, 0]), bytes.subarray(1)])),
    },
    /shortest/,
  ],
  [
    'an unprotected header that is wrapped',
    {
      wrap: part(1, (bytes) => cbor.bytes(bytes)),
    },
    /unprotected header to be a map/,
  ],
  [
    'a key twice in the protected header',
    {
      signedEntries: also(1, cbor.integer(-7)),
    },
    /duplicate key/,
  ],
  [
    'a key twice in the unprotected header',
    {
      unsignedEntries: also(33, cbor.array(der)),
    },
    /duplicate key/,
  ],
  [
    'an attribute in both headers',
    {
      signedEntries: also('note', nil),
      unsignedEntries: also('note', nil),
    },
    /"note" to be signed/,
  ],
  [
    'a chain in both headers',
    {
      signedEntries: also(33, cbor.array(der)),
    },
    /expected attribute 33 to be signed/,
  ],
  [
    'crit that is not signed',
    {
      signedEntries: instead(2),
      unsignedEntries: also(2, cbor.array(scheme)),
    },
    /expected attribute 2 to be signed/,
  ],
  [
    'an algorithm that is not signed',
    {
      signedEntries: instead(1),
      unsignedEntries: also(1, cbor.integer(-7)),
    },
    /expected attribute 1 to be signed/,
  ],
  [
    'an expiry that is not signed',
    {
      unsignedEntries: also(`${NAME}.expiry`, cbor.tag(1, cbor.integer(1))),
    },
    /expiry" to be signed/,
  ],
  ['no crit', { signedEntries: instead(2) }, /crit to be a list/],
  ['crit as text', { signedEntries: instead(2, scheme) }, /crit to be a list/],
  [
    'bytes in crit',
    { signedEntries: instead(2, cbor.array(cbor.bytes(Buffer.from('a')))) },
    /labels/,
  ],
  ['alg in crit', { critical: [`${NAME}.signingScheme`, 1] }, /unknown critical attribute 1/],
  ['x5chain in crit', { critical: [`${NAME}.signingScheme`, 33] }, /unknown critical attribute 33/],
  ['no algorithm', { signedEntries: instead(1) }, /alg/],
  ['an algorithm as text', { signedEntries: instead(1, cbor.text('ES256')) }, /alg/],
  ['EdDSA', { signedEntries: instead(1, cbor.integer(-8)) }, /alg/],
  ['HMAC', { signedEntries: instead(1, cbor.integer(5)) }, /alg/],
  ['a content format', { signedEntries: instead(3, cbor.integer(50)) }, /content type to be text/],
  ['no content type', { signedEntries: instead(3) }, /content type to be text/],
  [
    'a hash envelope',
    {
      signedEntries: (entries) => also(258, cbor.integer(-16))(instead(3)(entries)),
    },
    /content type to be text/,
  ],
  [
    'a scheme as bytes',
    {
      signedEntries: instead(`${NAME}.signingScheme`, cbor.bytes(Buffer.from('notary.x509'))),
    },
    /signingScheme to be text/,
  ],
  ['a chain as bare bytes', { unsignedEntries: instead(33, der) }, /x5chain to be a list/],
  ['no chain', { unsignedEntries: instead(33) }, /x5chain to be a list/],
  ['an empty chain', { unsignedEntries: instead(33, cbor.array()) }, /1 to 8 certificates, got 0/],
  [
    'a chain of text',
    {
      unsignedEntries: instead(33, cbor.array(cbor.text(signer.pem))),
    },
    /certificate in x5chain to be a byte string/,
  ],
  [
    'a timestamp as text',
    {
      unsignedEntries: also(`${NAME}.timestampSignature`, cbor.text('x')),
    },
    /timestampSignature to be a byte string/,
  ],
  ['a huge timestamp', { timestamp: () => Buffer.alloc(64 * 1024 + 1) }, /at most 65536 bytes/],
  [
    'both kinds of IV',
    {
      signedEntries: also(5, cbor.bytes(Buffer.alloc(8))),
      unsignedEntries: also(6, cbor.bytes(Buffer.alloc(8))),
    },
    /IV/,
  ],
  [
    'a label that is a list',
    {
      unsignedEntries: (entries) => [...entries, [cbor.array(), nil]],
    },
    /labels/,
  ],
  [
    'a label that is huge',
    {
      unsignedEntries: (entries) => [...entries, [cbor.integer(2n ** 63n), nil]],
    },
    /labels/,
  ],
];
for (const [what, options, message] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    refuses(t, () => parseCose(sign(options)), message);
  });
}

t.test('what is beside the signature and means nothing may be there', async (t) => {
  const unsignedEntries = (entries: readonly cbor.Entry[]): readonly cbor.Entry[] =>
    also(4, cbor.bytes(Buffer.from('kid')))(instead(`${NAME}.signingAgent`, nil)(entries));
  t.match(await check(sign({ unsignedEntries })), { authenticity: { ok: true } });
});

t.test('a changed envelope says the same or nothing', async (t) => {
  const given = sign({ annotations: { build: '7' } });
  const facts = await check(given);
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

t.test('any bytes are refused, and nothing else happens', async (t) => {
  const head = Buffer.from([0xd2, 0x84]);
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 200 }), (tagged, bytes) => {
      const given = Buffer.concat([tagged ? head : Buffer.alloc(0), bytes]);
      refuses(t, () => parseCose(given), /./);
    }),
    { numRuns: 100 },
  );
});
