/** The algorithm that goes with a key: declared or not, no other one is tried. */
import { constants, generateKeyPairSync, sign } from 'node:crypto';
import t from 'tap';
import { requireSignature, suiteOf } from '../../../src/verify/notation/algorithm.ts';
import { parsePublicKey } from '../../../src/trust/public-key.ts';
import { parseCose } from '../../../src/verify/notation/cose.ts';
import { parseJws } from '../../../src/verify/notation/jws.ts';
import { issueSigner, type Signer } from '../../helpers/notation/certificate.ts';
import { createSigningKey, type SigningKeyKind } from '../../helpers/notation/key.ts';
import type { HashName } from '../../helpers/sigstore/key.ts';
import { signCose, signJws, type SignOptions } from '../../helpers/notation/signed.ts';
import { refuses, target } from './target.ts';

const check = (signer: Signer, options: SignOptions = {}): void => {
  requireSignature(parseJws(signJws(signer, target, options)));
};

const algorithms: readonly (readonly [kind: SigningKeyKind, algorithm: string])[] = [
  ['p256', 'ES256'],
  ['p384', 'ES384'],
  ['p521', 'ES512'],
  ['rsa2048', 'PS256'],
  ['rsa3072', 'PS384'],
  ['rsa4096', 'PS512'],
];
const NAMES = algorithms.map(([, algorithm]) => algorithm);

for (const [kind, algorithm] of algorithms) {
  t.test(`${algorithm} goes with ${kind}, and no other`, async (t) => {
    const signer = issueSigner({ key: kind });
    check(signer);
    requireSignature(parseCose(signCose(signer, target)));
    for (const other of [...NAMES, 'none', 'HS256', 'RS256', 'EdDSA', algorithm.toLowerCase()]) {
      if (other === algorithm) continue;
      refuses(
        t,
        () => {
          check(signer, { algorithm: other });
        },
        new RegExp(`expected algorithm ${algorithm}, .* got "${other}"`),
      );
    }
  });
}

t.test('keys that are of no kind in the table sign nothing', async (t) => {
  for (const kind of ['ed25519', 'rsa2056'] as const) {
    refuses(
      t,
      () => {
        check(issueSigner({ key: kind }));
      },
      /expected the signing key to be RSA of 2048, 3072 or 4096 bits, P-256, P-384 or P-521/,
    );
  }
  const { publicKey } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  t.equal(suiteOf(parsePublicKey(publicKey, 'a key for PSS alone')), undefined);
});

t.test('a signature of another form is none', async (t) => {
  const signer = issueSigner();
  const { key } = signer;
  const forms: readonly (readonly [what: string, signEnvelope: (data: Uint8Array) => Buffer])[] = [
    ['DER', (data) => key.sign(data)],
    ['SHA-384', (data) => key.sign(data, 'sha384')],
    ['of another key', (data) => createSigningKey().signEnvelope(data)],
    ['of another curve', (data) => createSigningKey('p384').signEnvelope(data)],
    ['zeros', () => Buffer.alloc(64)],
  ];
  for (const [what, signEnvelope] of forms) {
    await t.test(what, async (t) => {
      refuses(
        t,
        () => {
          check(signer, { signWith: { ...key, signEnvelope } });
        },
        /does not hold/,
      );
    });
  }
});

t.test('RSA signs with PSS, its hash, and a salt as long as that', async (t) => {
  const key = createSigningKey('rsa2048');
  const signer = issueSigner({ key });
  const pss = (hash: HashName, saltLength: number) => (data: Uint8Array) =>
    sign(hash, data, {
      key: key.privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength,
    });
  const forms: readonly (readonly [what: string, signEnvelope: (data: Uint8Array) => Buffer])[] = [
    ['PKCS #1 v1.5', (data) => key.sign(data)],
    ['no salt', pss('sha256', 0)],
    ['the longest salt', pss('sha256', 222)],
    ['SHA-512', pss('sha512', 64)],
  ];
  check(signer, { signWith: { ...key, signEnvelope: pss('sha256', 32) } });
  for (const [what, signEnvelope] of forms) {
    await t.test(what, async (t) => {
      refuses(
        t,
        () => {
          check(signer, { signWith: { ...key, signEnvelope } });
        },
        /does not hold/,
      );
    });
  }
});
