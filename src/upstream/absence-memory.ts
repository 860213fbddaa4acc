/** An upstream that remembers for seconds what it does not have or does not give, so that asking often costs it little. */
import { LRUCache } from 'lru-cache';
import { isDigest } from '../oci/digest.ts';
import { ABSENCE_MEMORY, ATTACHMENT_ABSENCE_MEMORY, MAX_ABSENCES } from './bounds.ts';
import type { RegistryUpstream } from './registry-upstream.ts';
import { UpstreamError } from './upstream.ts';

export interface AbsenceMemoryOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** As what we are known there now; never rejects. What was said to somebody else is forgotten. */
  readonly identity: () => Promise<string>;
}

interface Absence {
  readonly error: UpstreamError;
  readonly since: number;
  readonly until: number;
  readonly identity: string;
}

/** A tag that cosign, or the referrers tag schema, makes of a digest. */
const OF_A_DIGEST = /^sha(?:256|512)-[0-9a-f]{64}/;

/** Remembers 404, 401 and 403 of manifests, tags and blobs. An empty list of referrers is never remembered. */
export function rememberAbsences(
  upstream: RegistryUpstream,
  { clock, identity }: AbsenceMemoryOptions,
): RegistryUpstream {
  const absences = new LRUCache<string, Absence>({ max: MAX_ABSENCES });

  async function through<T>(
    key: readonly [kind: string, path: string, reference: string],
    ask: () => Promise<T>,
  ): Promise<T> {
    const name = JSON.stringify(key);
    // Before the question: what is said while the credentials change was said to the old ones.
    const asked = identity();
    const known = absences.get(name);
    if (known !== undefined && (await holds(known, asked))) throw again(known.error);
    absences.delete(name);
    try {
      return await ask();
    } catch (error) {
      if (error instanceof UpstreamError && isAbsence(error)) {
        const since = clock();
        const until = since + memoryOf(key[2]);
        absences.set(name, { error, since, until, identity: await asked });
      }
      throw error;
    }
  }

  async function holds(absence: Absence, asked: Promise<string>): Promise<boolean> {
    const now = clock();
    return now >= absence.since && now < absence.until && absence.identity === (await asked);
  }

  return {
    ...upstream,
    resolve: (path, tag, options) =>
      through(['tag', path, tag], () => upstream.resolve(path, tag, options)),
    fetchManifest: (path, reference, options) =>
      through(['manifest', path, reference], () =>
        upstream.fetchManifest(path, reference, options),
      ),
    openBlob: (path, digest, options) =>
      through(['blob', path, digest], () => upstream.openBlob(path, digest, options)),
  };
}

function isAbsence({ code, isUnasked }: UpstreamError): boolean {
  return !isUnasked && (code === 'not-found' || code === 'unauthorized');
}

function memoryOf(reference: string): number {
  return !isDigest(reference) && OF_A_DIGEST.test(reference)
    ? ATTACHMENT_ABSENCE_MEMORY
    : ABSENCE_MEMORY;
}

/** Another error for another question: who throws it may add to it. */
function again(error: UpstreamError): UpstreamError {
  const { code, message, retryAfter, status } = error;
  return new UpstreamError(code, message, { cause: error, retryAfter, status });
}
