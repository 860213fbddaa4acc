/** Who we are to an upstream: user and password, or what a docker `config.json` says. */
import { MAX_PASSWORD_BYTES } from './bounds.ts';
import type { Credentials } from './credential.ts';
import { openDockerConfig } from './docker-config.ts';
import { readBounded } from './secret-file.ts';

/** Where credentials come from. */
export type CredentialsSource =
  | {
      readonly kind: 'basic';
      readonly username: string;
      /** Asked anew for each login, so that a rotated password needs no restart. */
      readonly password: () => Promise<string>;
    }
  | { readonly kind: 'docker-config'; readonly path: string };

/** @param hosts names under which a docker `config.json` may know the upstream, best first. */
export function openCredentials(source: CredentialsSource, hosts: readonly string[]): Credentials {
  if (source.kind === 'docker-config') return openDockerConfig(source.path, hosts);
  const { username, password } = source;
  // RFC 7617 §2: the first colon ends the user's name.
  if (username.includes(':')) throw new TypeError('expected a username without a colon');
  return {
    find: async () => ({ kind: 'basic', username, password: await password() }),
  };
}

/** A password from a value, e.g. of an environment variable. */
export function literalPassword(value: string): () => Promise<string> {
  return () => Promise.resolve(value);
}

/** A password from a file, read each time; one line break at its end is not part of it. */
export function passwordFile(path: string): () => Promise<string> {
  return async () => {
    const text = await readBounded(path, MAX_PASSWORD_BYTES, 'password file');
    return text.replace(/\r?\n$/, '');
  };
}
