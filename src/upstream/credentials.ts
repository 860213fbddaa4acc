/** Who we are to an upstream: user and password, or what a docker `config.json` says. */
import { createHash } from 'node:crypto';
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

/**
 * Tells by its answer whether the credentials are other ones than before, without telling them. It never rejects:
 * credentials that cannot be had are other ones than those that can.
 */
export function identityOf(credentials: Credentials | undefined): () => Promise<string> {
  return async () => {
    if (credentials === undefined) return '';
    try {
      const found = await credentials.find();
      return createHash('sha256')
        .update(JSON.stringify(found ?? null))
        .digest('base64');
    } catch (error) {
      return error instanceof Error ? error.message : 'unknown';
    }
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
