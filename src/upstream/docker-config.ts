/** Credentials from the `auths` of a docker `config.json`, read again whenever the file changes. */
import { stat } from 'node:fs/promises';
import { isJsonObject, parseJsonText, type JsonObject } from '../oci/json.ts';
import { MAX_DOCKER_CONFIG_BYTES } from './bounds.ts';
import { CredentialsError, type Credential, type Credentials } from './credential.ts';
import { errorCode } from './failure.ts';
import { readBounded } from './secret-file.ts';

/** @param hosts names of the upstream, best first; `docker.io` stands for Docker Hub's own key too. */
export function openDockerConfig(path: string, hosts: readonly string[]): Credentials {
  let seen = '';
  let found: Credential | undefined;
  return {
    async find() {
      const version = await fileVersion(path);
      if (version !== seen) {
        const text = await readBounded(path, MAX_DOCKER_CONFIG_BYTES, 'docker config');
        found = findInDockerConfig(text, hosts);
        seen = version;
      }
      return found;
    },
  };
}

/**
 * The credential that a docker `config.json` holds for a registry.
 * @throws {CredentialsError} when it is malformed, or keeps this registry's credentials in a helper program.
 */
export function findInDockerConfig(text: string, hosts: readonly string[]): Credential | undefined {
  const config = parseObject(text);
  const wanted = hosts.flatMap((host) => (host === 'docker.io' ? ['index.docker.io', host] : host));
  const entry = findByHost(config['auths'], wanted);
  const credential = isJsonObject(entry) ? fromEntry(entry) : undefined;
  if (credential !== undefined) return credential;
  if (findByHost(config['credHelpers'], wanted) !== undefined) throw unsupported('credHelpers');
  // `docker login` with a store leaves an empty entry behind for each registry.
  if (entry !== undefined && typeof config['credsStore'] === 'string') {
    throw unsupported('credsStore');
  }
  return undefined;
}

function fromEntry(entry: JsonObject): Credential | undefined {
  const { identitytoken: identityToken, auth } = entry;
  if (typeof identityToken === 'string' && identityToken !== '') {
    return { kind: 'identity-token', token: identityToken };
  }
  let { username, password } = entry;
  if (typeof auth === 'string' && auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 1) throw new CredentialsError('expected "auth" to be base64 of user:password');
    username = decoded.slice(0, colon);
    // Docker pads with NUL characters and strips them again.
    password = decoded.slice(colon + 1).replace(/\0+$/, '');
  }
  if (typeof username !== 'string' || username === '' || typeof password !== 'string') {
    return undefined;
  }
  // Docker's own mark for "the password is an identity token".
  if (username === '<token>') return { kind: 'identity-token', token: password };
  return { kind: 'basic', username, password };
}

/** Keys are hosts or URLs, e.g. `ghcr.io` or `https://index.docker.io/v1/`. */
function findByHost(entries: unknown, hosts: readonly string[]): unknown {
  if (!isJsonObject(entries)) return undefined;
  for (const host of hosts) {
    if (Object.hasOwn(entries, host)) return entries[host];
    const key = Object.keys(entries).find((one) => hostOfKey(one) === host);
    if (key !== undefined) return entries[key];
  }
  return undefined;
}

function hostOfKey(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/s, '')
    .toLowerCase();
}

function parseObject(text: string): JsonObject {
  try {
    const value = parseJsonText(text);
    if (isJsonObject(value)) return value;
  } catch {
    // The parser quotes member names; a file of secrets is not quoted at all.
  }
  throw new CredentialsError('expected the docker config to be a JSON object');
}

function unsupported(member: string): CredentialsError {
  return new CredentialsError(
    `the docker config keeps these credentials in "${member}", which is not supported: expected "auth", "username" and "password", or "identitytoken" under "auths"`,
  );
}

async function fileVersion(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs].join(' ');
  } catch (error) {
    throw new CredentialsError(`expected a readable docker config, got ${errorCode(error)}`, {
      cause: error,
    });
  }
}
