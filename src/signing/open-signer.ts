/** From the name of a key, as `cosign --key` spells it, to whoever signs with it. */
import { isKmsKey, openKmsKey } from './aws-kms.ts';
import type { SigningEnvironment } from './environment.ts';
import { MAX_KEY_FILE, readPrivateKey } from './private-key.ts';
import { signerAt, type Signer, type SigningPlace } from './signer.ts';
import { SigningError } from './signing-error.ts';
import { isVaultKey, openVaultKey } from './vault.ts';

const VARIABLE = 'env://';
const SCHEME = /^[a-z0-9]+:\/\//;

/**
 * Opens a key: a PEM file, `env://VARIABLE` with PEM in it, `hashivault://KEY`, `awskms://…`. Passwords come from
 * `COSIGN_PASSWORD`, or are asked for.
 * @throws {SigningError} saying what is wrong with it and what to do.
 */
export async function openSigner(name: string, environment: SigningEnvironment): Promise<Signer> {
  const place = await openPlace(name, environment);
  try {
    return signerAt(place);
  } catch (error) {
    await place.close?.();
    throw error;
  }
}

async function openPlace(name: string, environment: SigningEnvironment): Promise<SigningPlace> {
  if (isVaultKey(name)) return openVaultKey(name, environment);
  if (isKmsKey(name)) return openKmsKey(name, environment);
  const { env } = environment;
  const askPassword = (label: string): Promise<string> => passwordFor(label, environment);
  if (name.startsWith(VARIABLE)) {
    const pem = env[name.slice(VARIABLE.length)];
    if (pem === undefined || pem === '') {
      throw new SigningError('key', `${name}: the variable is not set`);
    }
    return readPrivateKey(pem, name, askPassword);
  }
  if (SCHEME.test(name)) {
    throw new SigningError(
      'key-name',
      `expected a PEM file, env://VARIABLE, hashivault://KEY or awskms:///KEY, got ${JSON.stringify(name.slice(0, 160))}`,
    );
  }
  if (name === '') throw new SigningError('key-name', 'expected a key: --key FILE');
  return readPrivateKey(await readKeyFile(name, environment), name, askPassword);
}

/** What the system says of files, in words. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['ENOTDIR', 'no such file'],
  ['EACCES', 'permission denied'],
  ['EISDIR', 'it is a folder'],
]);

async function readKeyFile(file: string, { readFile }: SigningEnvironment): Promise<string> {
  try {
    return (await readFile(file, MAX_KEY_FILE)).toString('utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    const why = code === undefined ? 'it is too long' : (WORDS.get(code) ?? code);
    throw new SigningError('key', `${file}: the key cannot be read: ${why}`);
  }
}

async function passwordFor(label: string, environment: SigningEnvironment): Promise<string> {
  const given = environment.env['COSIGN_PASSWORD'] ?? (await environment.askPassword(label));
  if (given !== undefined) return given;
  throw new SigningError(
    'password',
    `${label}: it is encrypted: expected its password in COSIGN_PASSWORD, since there is no terminal to ask on`,
  );
}
