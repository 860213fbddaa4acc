/** Public keys in PEM: every kind that cosign signs with, and none that anybody could sign for. */
import {
  createHash,
  createPublicKey,
  ECDH,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import t from 'tap';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import { createSigner } from '../helpers/signer.ts';

const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

function block(kind: string, body: Uint8Array | string): string {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('base64');
  return `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----\n`;
}

t.test('reads every kind of key with the fingerprint of its SPKI', (t) => {
  const kinds: readonly (readonly [string, KeyObject])[] = [
    ['ecdsa-p256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey],
    ['ecdsa-p384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
    ['ecdsa-p521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey],
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 4096 }).publicKey],
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey],
    ['rsa-pss', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey],
    ['ed25519', generateKeyPairSync('ed25519').publicKey],
  ];
  for (const [algorithm, key] of kinds) {
    const [read, ...more] = parsePublicKeys(pemOf(key), 'release.pub');
    const der = key.export({ type: 'spki', format: 'der' });
    t.same(more, []);
    t.match(read, { algorithm, label: 'release.pub' });
    t.equal(read?.fingerprint, `sha256:${createHash('sha256').update(der).digest('hex')}`);
    t.ok(read?.key.equals(key));
  }
  t.end();
});

t.test('reads several keys of one file, with text around them', (t) => {
  const pems = (['p256', 'rsa', 'ed25519'] as const).map((kind) => createSigner(kind).publicPem);
  const keys = parsePublicKeys(`# ours\r\n${pems.join('\n\n# next\n')}end`, 'keys.pub');
  t.same(
    keys.map((key) => key.algorithm),
    ['ecdsa-p256', 'rsa', 'ed25519'],
  );
  const crlf = parsePublicKeys(pems.join('').replaceAll('\n', '\r\n'), 'keys.pub');
  t.same(
    crlf.map((key) => key.fingerprint),
    keys.map((key) => key.fingerprint),
  );
  const [pem = ''] = pems;
  t.equal(parsePublicKeys(pem.repeat(64), 'keys.pub').length, 64);
  t.throws(() => parsePublicKeys(pem.repeat(65), 'keys.pub'), {
    message: /at most 64 keys, got 65/,
  });
  t.end();
});

t.test('an EC key has one fingerprint, however its point is written', (t) => {
  const curves = [
    ['P-256', 'prime256v1', '3039301306072a8648ce3d020106082a8648ce3d030107032200'],
    ['P-384', 'secp384r1', '3046301006072a8648ce3d020106052b8104002203320000'],
  ] as const;
  for (const [namedCurve, name, prefix] of curves) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve });
    const der = publicKey.export({ type: 'spki', format: 'der' });
    const size = namedCurve === 'P-256' ? 32 : 48;
    const point = ECDH.convertKey(
      der.subarray(-2 * size - 1),
      name,
      undefined,
      undefined,
      'compressed',
    );
    const head = Buffer.from(prefix, 'hex').subarray(0, namedCurve === 'P-256' ? undefined : -1);
    const compressed = Buffer.concat([head, Buffer.from(point)]);
    const [long] = parsePublicKeys(pemOf(publicKey), 'long');
    const [short] = parsePublicKeys(block('PUBLIC KEY', compressed), 'short');
    t.equal(short?.fingerprint, long?.fingerprint, namedCurve);
  }
  t.end();
});

t.test('refuses keys that are too weak, too large or unknown', (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    format: 'jwk',
  });
  const withExponent = (e: string) => createPublicKey({ key: { ...rsa, e }, format: 'jwk' });
  const wrong: readonly (readonly [RegExp, KeyObject])[] = [
    [/2048 to 4096 bits, got 1024/, generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey],
    [/2048 to 4096 bits, got 2040/, generateKeyPairSync('rsa', { modulusLength: 2040 }).publicKey],
    [
      /2048 to 4096 bits, got 1024/,
      generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).publicKey,
    ],
    [/2048 to 4096 bits, got 4104/, generateKeyPairSync('rsa', { modulusLength: 4104 }).publicKey],
    [/odd exponent/, withExponent('AQ')],
    [/odd exponent/, withExponent('Ag')],
    [/odd exponent/, withExponent('AQAA')],
    [/from 3 to 2\^32/, withExponent('AQAAAAE')],
    [
      /P-256, P-384 or P-521, got secp256k1/,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    ],
    [
      /P-256, P-384 or P-521, got secp224r1/,
      generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey,
    ],
    [/ECDSA, RSA or Ed25519 key, got ed448/, generateKeyPairSync('ed448').publicKey],
    [/ECDSA, RSA or Ed25519 key, got x25519/, generateKeyPairSync('x25519').publicKey],
    [
      /ECDSA, RSA or Ed25519 key, got dsa/,
      generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey,
    ],
  ];
  for (const [message, key] of wrong) {
    t.throws(() => parsePublicKeys(pemOf(key), 'weak.pub'), { name: 'SyntaxError', message });
  }
  t.end();
});

t.test('refuses every other kind of PEM, and quotes none of it', (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const secret = 'c2VjcmV0IHNlY3JldA==';
  const good = createSigner().publicPem;
  const wrong: readonly (readonly [RegExp, string])[] = [
    [/found none/, ''],
    [/found none/, 'hello'],
    [/found none/, secret],
    [
      /private key and does not belong/,
      privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    [
      /private key and does not belong/,
      privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    ],
    [/private key and does not belong/, block('ENCRYPTED SIGSTORE PRIVATE KEY', secret)],
    [/private key and does not belong/, block('EC PRIVATE KEY', secret)],
    [/private key and does not belong/, good + block('PRIVATE KEY', secret)],
    [/openssl x509/, block('CERTIFICATE', secret)],
    [/openssl rsa/, publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()],
    [/got "BEGIN PGP PUBLIC KEY BLOCK"/, block('PGP PUBLIC KEY BLOCK', secret)],
    [/cannot be read/, block('PUBLIC KEY', secret)],
    [/cannot be read/, block('PUBLIC KEY', '')],
    [/cannot be read/, block('PUBLIC KEY', privateKey.export({ type: 'pkcs8', format: 'der' }))],
    [/cannot be read/, good.replace(/[A-Za-z0-9+/]{20}/, 'AAAAAAAAAAAAAAAAAAAA')],
    [/its END line/, `-----BEGIN PUBLIC KEY-----\n${secret}\n`],
    [/its END line/, `${good}-----BEGIN PUBLIC KEY-----\n${secret}\n`],
    [/its END line/, `-----BEGIN PUBLIC KEY-----\n${secret}\n${good}`],
    [/its END line/, good.replace('END PUBLIC', 'END PRIVATE')],
    [/its END line/, `${good}-----BEGIN private key-----\n${secret}\n-----END private key-----`],
  ];
  for (const [message, pem] of wrong) {
    const refusal = refusalOf(pem);
    t.match(refusal?.message, message);
    t.match(refusal?.message, /^bad\.pub: .{1,160}$/);
    const quoted = [...pem.matchAll(/[A-Za-z0-9+/=]{16,}/g)].some(([text]) =>
      refusal?.message.includes(text),
    );
    t.notOk(quoted, 'nothing of the file is in the message');
  }
  t.end();
});

function refusalOf(pem: string): Error | undefined {
  try {
    parsePublicKeys(pem, 'bad.pub');
  } catch (error) {
    if (error instanceof SyntaxError) return error;
  }
  return undefined;
}

t.test('a point that is not on its curve is no key', (t) => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = Buffer.from(publicKey.export({ type: 'spki', format: 'der' }));
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  t.throws(() => parsePublicKeys(block('PUBLIC KEY', der), 'x'), {
    message: 'x: the public key cannot be read',
  });
  t.end();
});
