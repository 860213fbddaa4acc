/** The HTTP API of HashiCorp Vault, and of OpenBao, as far as the transit engine needs it. */
import { Agent, request } from 'undici';
import { isJsonObject, parseJson, type JsonObject } from '../oci/json.ts';
import type { SigningEnvironment } from './environment.ts';
import { SigningError, type SigningErrorCode } from './signing-error.ts';

/** Bytes of an answer; a key of many versions takes some hundred for each. */
const MAX_ANSWER = 1024 * 1024;
/** Milliseconds for one question. */
const TIMEOUT = 15_000;
const MAX_TOKEN = 16 * 1024;
const MAX_CERTIFICATES = 1024 * 1024;
/** Characters of an error that are repeated. */
const MAX_TOLD = 200;
const TOKEN = /^[!-~]+$/;
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

export interface VaultClient {
  /** @throws {SigningError} for everything but an object under `data`. */
  ask(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<JsonObject>;
  close(): Promise<void>;
}

/**
 * A client as Vault's own environment variables describe it: `VAULT_ADDR`, `VAULT_TOKEN` or `~/.vault-token`,
 * `VAULT_NAMESPACE`, `VAULT_CACERT`.
 * @throws {SigningError} saying which of them is missing or wrong.
 */
export async function openVaultClient(
  label: string,
  environment: SigningEnvironment,
): Promise<VaultClient> {
  const { env } = environment;
  const address = readAddress(label, env['VAULT_ADDR']);
  if (!['', '0', 'f', 'false'].includes((env['VAULT_SKIP_VERIFY'] ?? '').toLowerCase())) {
    throw new SigningError(
      'unreachable',
      `${label}: VAULT_SKIP_VERIFY is not followed: name the certificates to trust in VAULT_CACERT`,
    );
  }
  const token = await readToken(label, environment);
  const ca = await readAuthorities(label, environment);
  const namespace = env['VAULT_NAMESPACE'] ?? '';
  const dispatcher = new Agent({
    maxResponseSize: MAX_ANSWER,
    connect: { timeout: TIMEOUT, ...(ca === undefined ? {} : { ca }) },
  });

  return {
    async ask(method, path, body) {
      const url = new URL(`${address.pathname.replace(/\/$/, '')}/v1/${path}`, address);
      try {
        // Nothing is followed: whoever answers with a redirect would be given the token.
        const { statusCode, body: answer } = await request(url, {
          method,
          dispatcher,
          signal: AbortSignal.timeout(TIMEOUT),
          headers: {
            'x-vault-token': token,
            'x-vault-request': 'true',
            ...(namespace === '' ? {} : { 'x-vault-namespace': namespace }),
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (statusCode === 200) return dataOf(bytes, label);
        throw refusal(label, statusCode, errorIn(bytes, token));
      } catch (error) {
        if (error instanceof SigningError) throw error;
        const why = error instanceof Error ? codeOf(error) : 'it failed';
        throw new SigningError('unreachable', `${label}: ${address.origin}: ${why}`);
      }
    },
    close: () => dispatcher.close(),
  };
}

function readAddress(label: string, text: string | undefined): URL {
  if (text === undefined || text === '') {
    throw new SigningError('unreachable', `${label}: expected VAULT_ADDR to name the server`);
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const { protocol, hostname, username, password } = url ?? {};
  if (url === undefined || (protocol !== 'https:' && protocol !== 'http:')) {
    throw new SigningError('unreachable', `${label}: expected VAULT_ADDR to be an https URL`);
  }
  if (username !== '' || password !== '') {
    throw new SigningError('unreachable', `${label}: expected VAULT_ADDR to hold no credentials`);
  }
  if (protocol === 'http:' && !LOOPBACK.test(hostname ?? '')) {
    throw new SigningError(
      'unreachable',
      `${label}: expected VAULT_ADDR to begin with https: everybody on the way could read the token`,
    );
  }
  return url;
}

async function readAuthorities(
  label: string,
  { env, readFile }: SigningEnvironment,
): Promise<Buffer | undefined> {
  const file = env['VAULT_CACERT'] ?? '';
  if (file === '') return undefined;
  try {
    return await readFile(file, MAX_CERTIFICATES);
  } catch (error) {
    const message = `${label}: VAULT_CACERT: ${file} cannot be read`;
    throw new SigningError('unreachable', message, error);
  }
}

async function readToken(label: string, environment: SigningEnvironment): Promise<string> {
  const { env } = environment;
  const token = (env['VAULT_TOKEN'] ?? '') || (await readTokenFile(environment));
  if (token === '') {
    throw new SigningError(
      'denied',
      `${label}: expected VAULT_TOKEN, or a token in ~/.vault-token`,
    );
  }
  if (token.length <= MAX_TOKEN && TOKEN.test(token)) return token;
  throw new SigningError('denied', `${label}: expected a token of printable characters`);
}

async function readTokenFile({ env, readFile }: SigningEnvironment): Promise<string> {
  const home = env['HOME'] ?? '';
  if (home === '') return '';
  try {
    return (await readFile(`${home}/.vault-token`, MAX_TOKEN)).toString().trim();
  } catch {
    // Whether it is not there or not for us to read, there is no token.
    return '';
  }
}

function dataOf(bytes: Buffer, label: string): JsonObject {
  try {
    const answer = parseJson(bytes);
    const data = isJsonObject(answer) ? answer['data'] : undefined;
    if (isJsonObject(data)) return data;
  } catch {
    // As if it were something else.
  }
  throw new SigningError('answer', `${label}: expected an answer of Vault, got something else`);
}

function refusal(label: string, status: number, said: string): SigningError {
  const hint = status === 404 && said === '' ? ': there is no such key, or no such engine' : '';
  const message = `${label}: Vault answered ${status}${said}${hint}`;
  return new SigningError(CODES.get(status) ?? 'answer', message);
}

const CODES: ReadonlyMap<number, SigningErrorCode> = new Map([
  [401, 'denied'],
  [403, 'denied'],
  [404, 'not-found'],
  [500, 'unreachable'],
  [502, 'unreachable'],
  [503, 'unreachable'],
  [504, 'unreachable'],
]);

/** Vault's first word about it; whoever else answers may repeat what it was sent. */
function errorIn(bytes: Buffer, token: string): string {
  try {
    const answer = parseJson(bytes);
    const errors: unknown = isJsonObject(answer) ? answer['errors'] : undefined;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first === 'string' && first !== '' && !first.includes(token)) {
      return `: ${first.slice(0, MAX_TOLD).replaceAll(/[^ -~]+/g, ' ')}`;
    }
  } catch {
    // Nothing to repeat.
  }
  return '';
}

/** Codes alone: messages of a failed request may be about its headers. */
function codeOf(error: Error): string {
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT / 1000} seconds`;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
