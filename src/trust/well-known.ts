/** Sigstore instances that Countersign knows by name: what is needed to trust them without asking anybody. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isJsonObject } from '../oci/json.ts';
import { parseTrustedRoot } from './trusted-root.ts';
import type { SigstoreAuthorities } from './trust-root.ts';
import type { TufRepository } from './tuf.ts';

const PUBLIC_GOOD = 'https://tuf-repo-cdn.sigstore.dev';
const GITHUB = 'https://tuf-repo.github.com';
/** Beside `src` and beside `dist`. */
const GITHUB_ROOT = new URL('../../config/trust/github-tuf-root.json', import.meta.url);

/** The public-good instance as it was when this version was released. */
export function publicGoodAuthorities(): SigstoreAuthorities {
  return parseTrustedRoot(publicGoodTrustedRoot());
}

/** The same, as its repository published it. */
export function publicGoodTrustedRoot(): Buffer {
  const targets = publicGoodSeed()['targets'];
  return seedBytes(isJsonObject(targets) ? targets['trusted_root.json'] : '');
}

/** Where the public-good instance publishes what changes. */
export function publicGoodTuf(): TufRepository {
  return { mirror: PUBLIC_GOOD, initialRoot: seedBytes(publicGoodSeed()['root.json']) };
}

/** GitHub's own instance: certificates and timestamps, no log. Its trusted root must be fetched once. */
export function githubTuf(): TufRepository {
  return { mirror: GITHUB, initialRoot: readFileSync(GITHUB_ROOT) };
}

/** `@sigstore/tuf` carries the roots of the public-good instance along, signed as its repository has them. */
function publicGoodSeed(): Readonly<Record<string, unknown>> {
  const seeds: unknown = createRequire(import.meta.url)('@sigstore/tuf/seeds.json');
  const seed = isJsonObject(seeds) ? seeds[PUBLIC_GOOD] : undefined;
  if (!isJsonObject(seed)) throw new Error('expected @sigstore/tuf to have the public-good roots');
  return seed;
}

function seedBytes(value: unknown): Buffer {
  return Buffer.from(typeof value === 'string' ? value : '', 'base64');
}
