/** Stand-ins for Vault's transit engine and AWS KMS, as far as signing asks them; the real ones are in `test/e2e`. */
import { constants, privateEncrypt, sign, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { p256, p384 } from '@noble/curves/nist.js';
import type { Test } from 'tap';
import type { Signer } from '../helpers/signer.ts';

/** A question that a server was asked. */
export interface Question {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface KeyServer {
  readonly url: string;
  readonly questions: readonly Question[];
}

/** A server on loopback that answers by `answer`; over TLS where it is given a certificate. */
export async function startKeyServer(
  t: Test,
  answer: (question: Question) => Reply,
  tls?: { readonly cert: string; readonly key: string },
): Promise<KeyServer> {
  const questions: Question[] = [];
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    void text(request).then((sent) => {
      const { method = '', url: path = '', headers } = request;
      const body = sent === '' ? {} : (JSON.parse(sent) as Question['body']);
      const question = { method, path, headers, body };
      questions.push(question);
      const reply = answer(question);
      const said = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(said);
    });
  };
  const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, questions };
}

const TOKEN = 'hvs.this-is-the-token';

/** What `hashivault://` needs of the environment to ask that server. */
export function vaultEnv(url: string): Record<string, string> {
  return { VAULT_ADDR: url, VAULT_TOKEN: TOKEN };
}

/** Answers as the transit engine does, with one key named `approvals` of which `version` is the newest. */
export function transit({ privateKey, publicPem }: Signer, version = 1) {
  return ({ method, path, headers, body }: Question): Reply => {
    if (headers['x-vault-token'] !== TOKEN)
      return { status: 403, body: { errors: ['permission denied'] } };
    if (method === 'GET' && path === '/v1/transit/keys/approvals') {
      const keys = { [version]: { public_key: rawOrPem(privateKey, publicPem) } };
      return {
        status: 200,
        body: { data: { keys, latest_version: version, supports_signing: true } },
      };
    }
    if (method === 'POST' && path === '/v1/transit/sign/approvals') {
      const { input, hash_algorithm: hash } = body;
      const data = Buffer.from(String(input), 'base64');
      const name = typeof hash === 'string' ? hash.replace('sha2-', 'sha') : null;
      const signature = sign(name, data, privateKey).toString('base64');
      return { status: 200, body: { data: { signature: `vault:v${version}:${signature}` } } };
    }
    return { status: 404, body: { errors: [] } };
  };
}

function rawOrPem(privateKey: KeyObject, publicPem: string): string {
  if (privateKey.asymmetricKeyType !== 'ed25519') return publicPem;
  return Buffer.from(privateKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64');
}

/** What `awskms://` needs of the environment to ask that server. */
export function kmsEnv(url: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_KMS: url,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'this-is-the-secret',
  };
}

/** Answers as KMS does, with one key under `alias/approvals`. */
export function kms(signer: Signer) {
  return ({ headers, body }: Question): Reply => {
    const { KeyId } = body;
    if (KeyId !== 'alias/approvals' && KeyId !== 'the-key') {
      const message = `Alias ${String(KeyId)} is not found.`;
      return { status: 400, body: { __type: 'NotFoundException', message } };
    }
    if (headers['x-amz-target'] === 'TrentService.GetPublicKey') {
      const der = signer.publicPem.replaceAll(/-----[A-Z ]+-----|\s/g, '');
      return { status: 200, body: { KeyId: 'the-key', KeyUsage: 'SIGN_VERIFY', PublicKey: der } };
    }
    const { Message, MessageType, SigningAlgorithm } = body;
    const bytes = Buffer.from(String(Message), 'base64');
    const bits = /_(\d{3})$/.exec(String(SigningAlgorithm))?.[1];
    const hash = SigningAlgorithm === 'ED25519_SHA_512' ? null : `sha${bits ?? ''}`;
    const signature =
      MessageType === 'RAW'
        ? sign(hash, bytes, signer.privateKey)
        : signHash(signer.privateKey, bytes);
    return {
      status: 200,
      body: { KeyId: 'the-key', Signature: signature.toString('base64'), SigningAlgorithm },
    };
  };
}

/** RFC 8017 §9.2 note 1: the DER before a SHA-256 hash. */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** A signature of which only the hash is known, as KMS makes it. */
function signHash(key: KeyObject, hash: Buffer): Buffer {
  if (key.asymmetricKeyType === 'rsa') {
    const padding = constants.RSA_PKCS1_PADDING;
    return privateEncrypt({ key, padding }, Buffer.concat([SHA256_INFO, hash]));
  }
  const secret = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
  const curve = hash.length === 32 ? p256 : p384;
  return Buffer.from(curve.sign(hash, secret, { prehash: false, format: 'der' }));
}
