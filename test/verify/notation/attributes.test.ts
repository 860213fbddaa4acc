/** Signed attributes, which mean the same in both envelopes: what has to be there, what critical, and nothing unknown. */
import t from 'tap';
import { parseCose } from '../../../src/verify/notation/cose.ts';
import type { Envelope } from '../../../src/verify/notation/envelope.ts';
import { parseJws } from '../../../src/verify/notation/jws.ts';
import * as cbor from '../../helpers/notation/cbor.ts';
import { DAY, issueSigner, NOTATION_TIME } from '../../helpers/notation/certificate.ts';
import { epochTime, signCose, signJws, type SignOptions } from '../../helpers/notation/signed.ts';
import { refuses, target } from './target.ts';

const signer = issueSigner();
const NAME = 'io.cncf.notary';
const AUTHORITY = 'notary.x509.signingAuthority';

/** Attributes laid over the signed ones: texts, times as numbers; undefined takes away. */
type Signed = Readonly<Record<string, string | number | undefined>>;

const kinds: Readonly<Record<string, (options?: SignOptions, signed?: Signed) => Envelope>> = {
  jws: (options = {}, signed = {}) => {
    const values = Object.entries(signed).map(([name, value]) => [
      name,
      typeof value === 'number' ? new Date(value).toISOString() : value,
    ]);
    const laid = Object.fromEntries(values) as Record<string, unknown>;
    return parseJws(signJws(signer, target, { ...options, signed: laid }));
  },
  cose: (options = {}, signed = {}) => {
    const keys = new Set(Object.keys(signed).map((name) => cbor.text(name).toString('hex')));
    return parseCose(
      signCose(signer, target, {
        ...options,
        signedEntries: (entries) => [
          ...entries.filter(([key]) => !keys.has(key.toString('hex'))),
          ...Object.entries(signed).flatMap(([name, value]): cbor.Entry[] =>
            value === undefined
              ? []
              : [
                  [
                    cbor.text(name),
                    typeof value === 'number' ? epochTime(value) : cbor.text(value),
                  ],
                ],
          ),
        ],
      }),
    );
  },
};

for (const [kind, parse] of Object.entries(kinds)) {
  t.test(`${kind}: reads the attributes of each scheme`, async (t) => {
    t.strictSame(parse().attributes, {
      scheme: 'notary.x509',
      signingTime: NOTATION_TIME,
      expiry: undefined,
    });
    const expiry = NOTATION_TIME + DAY;
    t.strictSame(parse({ scheme: AUTHORITY, expiry }).attributes, {
      scheme: AUTHORITY,
      signingTime: NOTATION_TIME,
      expiry,
    });
  });

  t.test(`${kind}: what is not critical may be unknown`, async (t) => {
    t.equal(parse({}, { 'com.example.note': 'hello' }).attributes.scheme, 'notary.x509');
  });

  const scheme = `${NAME}.signingScheme`;
  const refused: readonly (readonly [
    what: string,
    options: SignOptions,
    signed: Signed,
    message: RegExp,
  ])[] = [
    ['nothing critical', { critical: [] }, {}, /signingScheme to be critical/],
    [
      'an unknown critical attribute, which the reference implementation lets pass',
      { critical: [scheme, 'com.example.rule'] },
      { 'com.example.rule': 'never on Mondays' },
      /unknown critical attribute "com\.example\.rule"/,
    ],
    [
      'a critical attribute that is not there',
      { critical: [scheme, 'com.example.rule'] },
      {},
      /unknown critical attribute/,
    ],
    [
      'an expiry as critical that is not there',
      { critical: [scheme, `${NAME}.expiry`] },
      {},
      /unknown critical attribute "io\.cncf\.notary\.expiry"/,
    ],
    [
      'an expiry that is not critical',
      { expiry: NOTATION_TIME + DAY, critical: [scheme] },
      {},
      /expiry to be critical/,
    ],
    [
      'an authentic signing time that is not critical',
      { scheme: AUTHORITY, critical: [scheme] },
      {},
      /authenticSigningTime to be critical/,
    ],
    [
      'a signing time as critical, which it never is',
      { critical: [scheme, `${NAME}.signingTime`] },
      {},
      /unknown critical attribute "io\.cncf\.notary\.signingTime"/,
    ],
    ['a critical attribute twice', { critical: [scheme, scheme] }, {}, /named twice/],
    [
      'a verification plugin',
      { critical: [scheme, `${NAME}.verificationPlugin`] },
      { [`${NAME}.verificationPlugin`]: 'com.example.plugin' },
      /verification plugin/,
    ],
    [
      'a verification plugin that is not critical',
      {},
      { [`${NAME}.verificationPlugin`]: 'com.example.plugin' },
      /verification plugin/,
    ],
    [
      'the least version of a plugin alone',
      {},
      { [`${NAME}.verificationPluginMinVersion`]: '1.0.0' },
      /verification plugin/,
    ],
    ['no scheme', {}, { [scheme]: undefined }, /signingScheme to be text/],
    [
      'another scheme',
      { scheme: 'notary.x509.other' },
      {},
      /unknown signing scheme "notary\.x509\.o/,
    ],
    ['a scheme in capitals', { scheme: 'NOTARY.X509' }, {}, /unknown signing scheme/],
    [
      'no signing time',
      {},
      { [`${NAME}.signingTime`]: undefined },
      /expected attribute io\.cncf\.notary\.signingTime under notary\.x509/,
    ],
    [
      'no authentic signing time',
      { scheme: AUTHORITY },
      { [`${NAME}.authenticSigningTime`]: undefined },
      /expected attribute io\.cncf\.notary\.authenticSigningTime/,
    ],
    [
      'both times under notary.x509',
      {},
      { [`${NAME}.authenticSigningTime`]: NOTATION_TIME },
      /signingTime alone under notary\.x509/,
    ],
    [
      'both times under signingAuthority',
      { scheme: AUTHORITY },
      { [`${NAME}.signingTime`]: NOTATION_TIME },
      /authenticSigningTime alone/,
    ],
    ['an expiry before it was made', { expiry: NOTATION_TIME - 1000 }, {}, /after it was made/],
    ['another content type', { contentType: 'application/json' }, {}, /content type/],
    [
      'a content type with parameters',
      { contentType: 'application/vnd.cncf.notary.payload.v1+json; charset=utf-8' },
      {},
      /content type/,
    ],
  ];
  for (const [what, options, signed, message] of refused) {
    t.test(`${kind}: refuses ${what}`, async (t) => {
      refuses(t, () => parse(options, signed), message);
    });
  }
}
