/** Private keys in files: every form that people have, and clear words for all others. */
import { generateKeyPairSync, randomBytes, scryptSync } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import fc from 'fast-check';
import t from 'tap';
import { openSigner } from '../../src/signing/open-signer.ts';
import { SigningError } from '../../src/signing/signing-error.ts';
import { signatureMatches } from '../../src/verify/key-signature.ts';
import { createSigner, type SignerKind } from '../helpers/signer.ts';
import { surroundings } from './environments.ts';

const DATA = Buffer.from('what is signed');
const PASSWORD = 'correct horse';
const { privateKey } = createSigner();
const der = privateKey.export({ type: 'pkcs8', format: 'der' });

function pem(kind: string, content: string | Buffer): string {
  return `-----BEGIN ${kind}-----\n${Buffer.from(content).toString('base64')}\n-----END ${kind}-----\n`;
}

/** As cosign seals a key; `changes` are laid over what it writes. */
function sealed(changes: { kdf?: object; cipher?: object; params?: object } = {}): object {
  const [salt, nonce] = [randomBytes(32), randomBytes(24)];
  const key = scryptSync(PASSWORD, salt, 32, { N: 1024, r: 8, p: 1 });
  const params = { N: 1024, r: 8, p: 1, ...changes.params };
  return {
    kdf: { name: 'scrypt', params, salt: salt.toString('base64'), ...changes.kdf },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64'), ...changes.cipher },
    ciphertext: Buffer.from(xsalsa20poly1305(key, nonce).encrypt(der)).toString('base64'),
  };
}

function cosignKey(changes = {}, kind = 'ENCRYPTED SIGSTORE PRIVATE KEY'): string {
  return pem(kind, JSON.stringify(sealed(changes)));
}

t.test('signs with every kind of key, with the hash that cosign 3 has for it', async (t) => {
  const hashes: Readonly<Partial<Record<SignerKind, object>>> = {
    p256: { kind: 'ecdsa', hash: 'sha256' },
    p384: { kind: 'ecdsa', hash: 'sha384' },
    p521: { kind: 'ecdsa', hash: 'sha512' },
    rsa: { kind: 'rsa', hash: 'sha256' },
    ed25519: { kind: 'ed25519' },
  };
  for (const [kind, algorithm] of Object.entries(hashes)) {
    const key = createSigner(kind as SignerKind);
    const file = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const signer = await openSigner('own.key', surroundings({ 'own.key': file }));
    t.strictSame(signer.algorithm, algorithm, kind);
    t.equal(signer.publicPem, key.publicPem);
    t.ok(signatureMatches(signer.publicKey, DATA, await signer.sign(DATA)), kind);
    await signer.close();
  }
});

t.test('reads every form of file', async (t) => {
  const rsa = createSigner('rsa').privateKey;
  const cipher = { cipher: 'aes-256-cbc', passphrase: PASSWORD } as const;
  const files: Readonly<Record<string, string>> = {
    'PKCS #8': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'SEC 1': privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    'SEC 1 after its parameters': `${pem('EC PARAMETERS', 'any')}${privateKey.export({ type: 'sec1', format: 'pem' }).toString()}`,
    'PKCS #1': rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
    'encrypted PKCS #8': privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }).toString(),
    'cosign 2': cosignKey({}, 'ENCRYPTED COSIGN PRIVATE KEY'),
    'cosign 3': cosignKey(),
  };
  for (const [name, file] of Object.entries(files)) {
    const signer = await openSigner('k', surroundings({ k: file }, { COSIGN_PASSWORD: PASSWORD }));
    t.ok((await signer.sign(DATA)).length > 0, name);
  }
  const signer = await openSigner('env://KEY', surroundings({}, { KEY: files['PKCS #8'] }));
  t.ok((await signer.sign(DATA)).length > 0, 'a variable');
});

t.test('asks for a password where no variable has it, and only then', async (t) => {
  const asked: string[] = [];
  const ask = async (label: string) => {
    asked.push(label);
    return PASSWORD;
  };
  const key = cosignKey();
  await openSigner('sealed.key', surroundings({ 'sealed.key': key }, {}, ask));
  await openSigner(
    'sealed.key',
    surroundings({ 'sealed.key': key }, { COSIGN_PASSWORD: PASSWORD }, ask),
  );
  t.strictSame(asked, ['sealed.key']);
  await t.rejects(openSigner('sealed.key', surroundings({ 'sealed.key': key })), {
    code: 'password',
    message: /COSIGN_PASSWORD.*no terminal/,
  });
});

t.test('says what is wrong with a key, and nothing of what is in it', async (t) => {
  const plain = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const encrypted = privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'another' })
    .toString();
  const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const pkcs8 = (key: typeof curve) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const bad: readonly (readonly [
    name: string,
    file: string | Buffer,
    code: string,
    message: RegExp,
  ])[] = [
    ['nothing', '', 'key', /expected a PEM block/],
    ['two keys', plain + plain, 'key', /one private key, got 2/],
    ['parameters alone', pem('EC PARAMETERS', 'any'), 'key', /one private key, got 1|got 0/],
    ['a public key', createSigner().publicPem, 'key', /the public one/],
    ['a key of ssh', pem('OPENSSH PRIVATE KEY', 'any'), 'key', /ssh-keygen -p -m PKCS8/],
    ['a certificate', pem('CERTIFICATE', 'any'), 'key', /got "BEGIN CERTIFICATE"/],
    ['a damaged key', pem('PRIVATE KEY', der.subarray(0, 40)), 'key', /cannot be read/],
    [
      'RFC 1421',
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n-----END RSA PRIVATE KEY-----',
      'key',
      /openssl pkcs8 -topk8/,
    ],
    ['a long file', Buffer.alloc(65 * 1024), 'key', /cannot be read: it is too long/],
    ['another curve', pkcs8(curve), 'key', /expected curve P-256/],
    ['RSA-PSS', pkcs8(pss), 'key', /cosign does not verify/],
    ['a weak key', pkcs8(weak), 'key', /2048 to 4096 bits/],
    ['another password', encrypted, 'password', /password is wrong/],
    [
      'another password of cosign',
      cosignKey({ params: { N: 2048 } }),
      'password',
      /password is wrong/,
    ],
    ['no JSON', pem('ENCRYPTED SIGSTORE PRIVATE KEY', 'x'), 'key', /no private key of cosign/],
    ['another cipher', cosignKey({ cipher: { name: 'aes' } }), 'key', /expected nacl\/secretbox/],
    ['another derivation', cosignKey({ kdf: { name: 'argon2' } }), 'key', /expected scrypt/],
    ['a short nonce', cosignKey({ cipher: { nonce: 'AAAA' } }), 'key', /24 bytes of nonce/],
    ['a salt that is no base64', cosignKey({ kdf: { salt: '!' } }), 'key', /salt to be base64/],
    [
      'too much memory',
      cosignKey({ params: { N: 2 ** 20 } }),
      'key',
      /N of scrypt to be from 1 to/,
    ],
    ['too much time', cosignKey({ params: { p: 64 } }), 'key', /p of scrypt/],
    ['blocks too large', cosignKey({ params: { r: 1024 } }), 'key', /r of scrypt/],
    ['an odd N', cosignKey({ params: { N: 1000 } }), 'key', /power of two/],
  ];
  const body = Buffer.from(der).toString('base64').slice(20, 60);
  for (const [name, file, code, message] of bad) {
    const error = await openSigner(
      'k',
      surroundings({ k: file }, { COSIGN_PASSWORD: PASSWORD }),
    ).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.match(error, { name: 'SigningError', code, message }, name);
    const text = error instanceof Error ? `${error.message}${String(error.cause)}` : '';
    t.notOk(text.includes(PASSWORD) || text.includes(body), `${name}: no secret`);
  }
});

t.test('whatever a file holds, it is a key or a clear refusal', async () => {
  const kinds = [
    'PRIVATE KEY',
    'EC PRIVATE KEY',
    'ENCRYPTED PRIVATE KEY',
    'ENCRYPTED SIGSTORE PRIVATE KEY',
  ];
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.nat(der.length - 1).map((at) => Buffer.from(der).fill(255, at, at + 1)),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...kinds), content, async (kind, bytes) => {
      const env = { COSIGN_PASSWORD: PASSWORD };
      try {
        await openSigner('k', surroundings({ k: pem(kind, bytes) }, env));
      } catch (error) {
        return error instanceof SigningError;
      }
      return true;
    }),
    { numRuns: 300 },
  );
});

t.test('names what a key may be', async (t) => {
  for (const name of ['gcpkms://x', 'k8s://a/b', 'https://x/y.key', '']) {
    await t.rejects(openSigner(name, surroundings({})), { code: 'key-name' }, name);
  }
  await t.rejects(openSigner('absent.key', surroundings({})), {
    message: 'absent.key: the key cannot be read: no such file',
  });
  await t.rejects(openSigner('env://NONE', surroundings({})), { message: /is not set/ });
});
