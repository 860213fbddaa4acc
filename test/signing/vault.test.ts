/** Keys in the transit engine: the questions that it is asked, and answers that are none. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { openSigner } from '../../src/signing/open-signer.ts';
import { signatureMatches } from '../../src/verify/key-signature.ts';
import { createSigner, type SignerKind } from '../helpers/signer.ts';
import { surroundings } from './environments.ts';
import { startKeyServer, transit, vaultEnv, type Question, type Reply } from './key-servers.ts';

const DATA = Buffer.from('what is signed');
const NAME = 'hashivault://approvals';

async function open(
  t: Test,
  answer: (question: Question) => Reply,
  env: Record<string, string> = {},
) {
  const server = await startKeyServer(t, answer);
  const opened = openSigner(NAME, surroundings({}, { ...vaultEnv(server.url), ...env }));
  return { opened, server };
}

t.test('signs with every kind of key that the engine has', async (t) => {
  for (const kind of ['p256', 'p384', 'p521', 'rsa', 'ed25519'] satisfies SignerKind[]) {
    const key = createSigner(kind);
    const { opened } = await open(t, transit(key));
    const signer = await opened;
    t.equal(signer.publicPem, key.publicPem, kind);
    t.ok(signatureMatches(signer.publicKey, DATA, await signer.sign(DATA)), kind);
    await signer.close();
  }
});

t.test('asks as the environment says', async (t) => {
  const key = createSigner();
  const answer = transit(key, 3);
  const { opened, server } = await open(
    t,
    (question) =>
      answer({ ...question, path: question.path.replace('/v1/org/keys/', '/v1/transit/') }),
    { VAULT_NAMESPACE: 'team', TRANSIT_SECRET_ENGINE_PATH: '/org/keys/' },
  );
  const signer = await opened;
  await signer.sign(DATA);
  await signer.close();
  const [looked, signed] = server.questions;
  t.match(looked, { method: 'GET', path: '/v1/org/keys/keys/approvals' });
  t.match(looked?.headers, { 'x-vault-namespace': 'team', 'x-vault-request': 'true' });
  t.match(signed, {
    method: 'POST',
    path: '/v1/org/keys/sign/approvals',
    body: {
      key_version: 3,
      prehashed: false,
      hash_algorithm: 'sha2-256',
      marshaling_algorithm: 'asn1',
    },
  });
});

t.test('takes the token of vault login', async (t) => {
  const server = await startKeyServer(t, transit(createSigner()));
  const { VAULT_TOKEN: token = '', ...env } = vaultEnv(server.url);
  const files = { '/home/us/.vault-token': `${token}\n` };
  const signer = await openSigner(NAME, surroundings(files, { ...env, HOME: '/home/us' }));
  await signer.close();
  await t.rejects(openSigner(NAME, surroundings({}, { ...env, HOME: '/home/us' })), {
    code: 'denied',
    message: /VAULT_TOKEN/,
  });
});

t.test('believes the certificates that VAULT_CACERT names, and no others', async (t) => {
  const read = (name: string) =>
    readFileSync(new URL(`../fixtures/tls/test-only-${name}.pem`, import.meta.url), 'utf8');
  const tls = { cert: read('certificate'), key: read('key') };
  const server = await startKeyServer(t, transit(createSigner()), tls);
  const env = vaultEnv(server.url);
  await t.rejects(openSigner(NAME, surroundings({}, env)), {
    code: 'unreachable',
    message: /SELF_SIGNED/,
  });
  const files = { 'ca.pem': tls.cert };
  const signer = await openSigner(NAME, surroundings(files, { ...env, VAULT_CACERT: 'ca.pem' }));
  t.ok((await signer.sign(DATA)).length > 0);
  await signer.close();
  await t.rejects(openSigner(NAME, surroundings({}, { ...env, VAULT_CACERT: 'absent.pem' })), {
    code: 'unreachable',
    message: /VAULT_CACERT: absent\.pem cannot be read/,
  });
});

t.test('never sends a token to whom it was not told to', async (t) => {
  const elsewhere = await startKeyServer(t, transit(createSigner()));
  const { opened } = await open(t, () => ({
    status: 307,
    body: {},
    headers: { location: `${elsewhere.url}/v1/transit/keys/approvals` },
  }));
  await t.rejects(opened, { code: 'answer', message: /Vault answered 307/ });
  t.equal(elsewhere.questions.length, 0);
  for (const [address, message] of [
    ['http://vault.example:8200', /begin with https/],
    ['ftp://vault.example', /https URL/],
    ['vault', /https URL/],
    ['', /VAULT_ADDR/],
    ['https://me:secret@vault.example', /no credentials/],
  ] as const) {
    const env = { ...vaultEnv(address), HOME: '/nowhere' };
    await t.rejects(openSigner(NAME, surroundings({}, env)), { code: 'unreachable', message });
  }
  const env = { ...vaultEnv('https://127.0.0.1:1'), VAULT_SKIP_VERIFY: 'true' };
  await t.rejects(openSigner(NAME, surroundings({}, env)), { message: /VAULT_CACERT/ });
});

t.test('says what the server would not do, and never the token', async (t) => {
  const key = createSigner();
  const good = transit(key);
  const token = String(vaultEnv('')['VAULT_TOKEN']);
  const at = (reply: Reply) => () => reply;
  const answers: readonly (readonly [string, (question: Question) => Reply, string, RegExp])[] = [
    [
      'denies',
      at({ status: 403, body: { errors: ['permission denied'] } }),
      'denied',
      /403: permission denied/,
    ],
    [
      'has no such key',
      at({ status: 404, body: { errors: [] } }),
      'not-found',
      /answered 404: there is no such key, or no such engine$/,
    ],
    [
      'is sealed',
      at({ status: 503, body: { errors: ['Vault is sealed'] } }),
      'unreachable',
      /sealed/,
    ],
    [
      'repeats the token',
      at({ status: 400, body: { errors: [`bad token ${token}`] } }),
      'answer',
      /answered 400$/,
    ],
    ['answers a page', at({ status: 200, body: '<html>' }), 'answer', /something else/],
    [
      'answers no key',
      at({ status: 200, body: { data: { latest_version: 1, keys: {} } } }),
      'answer',
      /got none/,
    ],
    [
      'answers an endless page',
      at({ status: 200, body: 'x'.repeat(2 ** 21) }),
      'unreachable',
      /ERR_RES_EXCEEDED/,
    ],
    [
      'only encrypts',
      at({ status: 200, body: { data: { supports_signing: false } } }),
      'key',
      /only encrypts/,
    ],
    [
      'has a key that is none',
      at({
        status: 200,
        body: { data: { latest_version: 1, keys: { 1: { public_key: 'AAAA' } } } },
      }),
      'answer',
      /cannot be read/,
    ],
  ];
  for (const [name, answer, code, message] of answers) {
    const { opened } = await open(t, answer);
    const error: unknown = await opened.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.match(error, { name: 'SigningError', code, message }, name);
    t.notOk(String(error).includes(token), name);
  }
  const another = transit(createSigner());
  const wrong = await open(t, (question) => (question.method === 'GET' ? good : another)(question));
  await t.rejects((await wrong.opened).sign(DATA), { code: 'answer', message: /does not verify/ });
  const older = transit(key, 2);
  const moved = await open(t, (question) => (question.method === 'GET' ? good : older)(question));
  await t.rejects((await moved.opened).sign(DATA), { code: 'answer', message: /its version 1/ });
});

t.test('names that would lead elsewhere are refused', async (t) => {
  for (const name of [
    'hashivault://',
    'hashivault://a/../b',
    'hashivault://a/b',
    'hashivault://a..b',
    'hashivault://a?x',
  ]) {
    await t.rejects(
      openSigner(name, surroundings({}, vaultEnv('http://127.0.0.1:1'))),
      { code: 'key-name' },
      name,
    );
  }
  const env = { ...vaultEnv('http://127.0.0.1:1'), TRANSIT_SECRET_ENGINE_PATH: '../sys' };
  await t.rejects(openSigner(NAME, surroundings({}, env)), { code: 'key-name' });
  await t.rejects(openSigner(NAME, surroundings({}, vaultEnv('http://127.0.0.1:1'))), {
    code: 'unreachable',
    message: /ECONNREFUSED/,
  });
});
