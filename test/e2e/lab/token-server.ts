/** A small token service as registries delegate to: Basic in, a signed token for one scope out. */
import { createHash, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mustRun } from './process.ts';
import { toolPath } from './tools.ts';

export interface TokenServer {
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** The certificate by which the registry checks tokens. */
  readonly certificateFile: string;
  /** How many tokens were handed out over HTTP. */
  readonly exchanges: () => number;
  mint(repository: string, actions: readonly string[]): string;
  readonly stop: () => Promise<void>;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** Tokens live a minute, long enough to be worth keeping and short enough to run out. */
const lifetime = 60;

export async function startTokenServer(folder: string, login: Login): Promise<TokenServer> {
  const keyFile = join(folder, 'token.key');
  const certificateFile = join(folder, 'token.pem');
  await mustRun(toolPath('openssl'), [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=lab token service', '-days', '2', '-keyout', keyFile],
    ...['-out', certificateFile],
  ]);
  const key = readFileSync(keyFile);
  const keyId = fingerprint(key);
  const issuer = 'lab-token-service';
  const service = 'lab-registry';
  let exchanges = 0;

  const mintFor = (access: readonly Access[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const header = encode({ typ: 'JWT', alg: 'ES256', kid: keyId });
    const claims = encode({
      iss: issuer,
      sub: login.username,
      aud: service,
      exp: now + lifetime,
      nbf: now - 5,
      iat: now,
      jti: `${now}-${Math.random()}`,
      access,
    });
    const signature = sign('sha256', Buffer.from(`${header}.${claims}`), {
      key,
      dsaEncoding: 'ieee-p1363',
    });
    return `${header}.${claims}.${signature.toString('base64url')}`;
  };

  const expected = basicAuthorization(login);
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="lab"' }).end('{}');
      return;
    }
    exchanges += 1;
    const { searchParams } = new URL(request.url ?? '/', 'http://token.server');
    const access = searchParams.getAll('scope').flatMap(readScope);
    const body = { token: mintFor(access), expires_in: lifetime };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    realm: `http://127.0.0.1:${port}/token`,
    issuer,
    service,
    certificateFile,
    exchanges: () => exchanges,
    mint: (repository, actions) => mintFor([{ type: 'repository', name: repository, actions }]),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

export function basicAuthorization({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** `repository:team/app:pull,push`; more than one, parted by a space. */
function readScope(scope: string): readonly Access[] {
  return scope.split(' ').flatMap((one) => {
    const [type, name, actions] = one.split(':');
    if (type === undefined || name === undefined || actions === undefined) return [];
    return [{ type, name, actions: actions.split(',') }];
  });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The name the registry gives to a key: 240 bits of its hash in groups of four letters. */
function fingerprint(key: Buffer): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(der).digest().subarray(0, 30);
  return (base32(hash).match(/.{4}/g) ?? []).join(':');
}

function base32(bytes: Buffer): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => letters[parseInt(five, 2)] ?? '').join('');
}
