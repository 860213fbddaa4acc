/** One signature against one key: every algorithm, hash and padding, and everything that is no signature. */
import {
  constants,
  generateKeyPairSync,
  sign,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { parsePublicKeys, type PublicKey } from '../../src/trust/public-key.ts';
import { signatureMatches } from '../../src/verify/key-signature.ts';

const data = Buffer.from('signed bytes');

interface Pair {
  readonly trusted: PublicKey;
  readonly privateKey: KeyObject;
}

function pair(keys: { publicKey: KeyObject; privateKey: KeyObject }): Pair {
  const pem = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const [trusted] = parsePublicKeys(pem, 'key.pub');
  if (trusted === undefined) throw new Error('expected a key');
  return { trusted, privateKey: keys.privateKey };
}

const p256 = pair(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const p384 = pair(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
const p521 = pair(generateKeyPairSync('ec', { namedCurve: 'P-521' }));
const rsa = pair(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const rsa4096 = pair(generateKeyPairSync('rsa', { modulusLength: 4096 }));
const pss = pair(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }));
const pss256 = pair(
  generateKeyPairSync('rsa-pss', {
    modulusLength: 2048,
    hashAlgorithm: 'sha256',
    mgf1HashAlgorithm: 'sha256',
  }),
);
const ed25519 = pair(generateKeyPairSync('ed25519'));
const all = { p256, p384, p521, rsa, rsa4096, pss, pss256, ed25519 };

const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };
const salted = (saltLength: number) => ({ padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
const DER = { dsaEncoding: 'der' } as const;
const P1363 = { dsaEncoding: 'ieee-p1363' } as const;

type Options = Omit<SignKeyObjectInput, 'key'>;

t.test(
  'matches what the key signed with a hash and padding that cosign uses, and nothing else',
  (t) => {
    const { RSA_PSS_SALTLEN_DIGEST: DIGEST, RSA_PSS_SALTLEN_MAX_SIGN: MAX } = constants;
    const table: readonly (readonly [keyof typeof all, string | null, Options, boolean])[] = [
      ['p256', 'sha256', DER, true],
      ['p256', 'sha384', DER, false],
      ['p256', 'sha1', DER, false],
      ['p256', 'sha256', P1363, false],
      ['p384', 'sha384', DER, true],
      ['p384', 'sha256', DER, true],
      ['p384', 'sha512', DER, false],
      ['p384', 'sha1', DER, false],
      ['p384', 'sha384', P1363, false],
      ['p521', 'sha512', DER, true],
      ['p521', 'sha256', DER, true],
      ['p521', 'sha384', DER, false],
      ...(['rsa', 'rsa4096'] as const).flatMap((name) => [
        ...(['sha256', 'sha384', 'sha512'] as const).flatMap((hash) => [
          [name, hash, PKCS1, true] as const,
          [name, hash, salted(DIGEST), true] as const,
          [name, hash, salted(MAX), true] as const,
          [name, hash, salted(0), true] as const,
        ]),
        [name, 'sha1', PKCS1, false] as const,
        [name, 'sha1', salted(DIGEST), false] as const,
        [name, 'md5', PKCS1, false] as const,
      ]),
      ['pss', 'sha256', salted(DIGEST), true],
      ['pss', 'sha384', salted(DIGEST), true],
      ['pss', 'sha512', salted(DIGEST), true],
      ['pss', 'sha1', salted(DIGEST), false],
      ['pss256', 'sha256', salted(32), true],
      ['ed25519', null, {}, true],
    ];
    for (const [name, hash, options, expected] of table) {
      const { trusted, privateKey } = all[name];
      const signature = sign(hash, data, { key: privateKey, ...options });
      const what = `${name} ${hash ?? 'pure'} ${JSON.stringify(options)}`;
      t.equal(signatureMatches(trusted, data, signature), expected, what);
      t.notOk(signatureMatches(trusted, Buffer.from('other bytes'), signature), what);
      t.notOk(signatureMatches(trusted, Buffer.concat([data, data]), signature), what);
      for (const [other, { trusted: wrong }] of Object.entries(all)) {
        if (other !== name)
          t.notOk(signatureMatches(wrong, data, signature), `${what} by ${other}`);
      }
    }
    t.end();
  },
);

t.test('two keys of one kind are two keys', (t) => {
  const other = pair(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  t.notOk(signatureMatches(other.trusted, data, sign('sha256', data, p256.privateKey)));
  t.end();
});

t.test('a malformed signature is no match and no error', (t) => {
  // SEQUENCE { INTEGER 0, INTEGER 0 }: CVE-2022-21449, r = s = 0 must not verify.
  const zero = Buffer.from('3006020100020100', 'hex');
  const one = Buffer.from('3006020101020101', 'hex');
  const negative = Buffer.from('30060201ff0201ff', 'hex');
  for (const { trusted, privateKey } of Object.values(all)) {
    const hash = trusted.algorithm === 'ed25519' ? null : 'sha256';
    const good = sign(hash, data, privateKey);
    const size = good.length;
    const wrong = [
      Buffer.alloc(0),
      Buffer.alloc(1),
      Buffer.alloc(size),
      Buffer.alloc(size, 0xff),
      Buffer.alloc(100_000),
      zero,
      one,
      negative,
      good.subarray(1),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), good]),
      Buffer.from(good.toString('base64')),
    ];
    for (const signature of wrong) {
      t.notOk(
        signatureMatches(trusted, data, signature),
        `${trusted.algorithm} ${signature.length}`,
      );
    }
  }
  t.end();
});

t.test('no random bytes and no flipped bit make a signature', (t) => {
  const names = Object.keys(all) as (keyof typeof all)[];
  const good = new Map(
    names.map((name) => [
      name,
      sign(name === 'ed25519' ? null : 'sha256', data, all[name].privateKey),
    ]),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.uint8Array({ maxLength: 600 }),
      fc.nat(),
      (name, junk, bit) => {
        const { trusted } = all[name];
        const flipped = Buffer.from(good.get(name) ?? []);
        const at = (bit >> 3) % flipped.length;
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
        return (
          !signatureMatches(trusted, data, junk) &&
          !signatureMatches(trusted, data, flipped) &&
          !signatureMatches(trusted, junk, good.get(name) ?? junk)
        );
      },
    ),
    { numRuns: 300 },
  );
  t.end();
});
