/** Content of admitted images fetched ahead, while the client still reads the manifest. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { GrantedBlob } from './blobs.ts';
import { arrive } from './blobs.ts';
import { atMost, MAX_PREFETCH_WAITING, PREFETCH_MEMORY } from './bounds.ts';
import type { Decision, Refused } from './decision.ts';
import { membersOf } from './graph.ts';

export interface Prefetch {
  /** Somebody got the manifest. Returns at once; what fails is told to who asks for the blob. */
  begin(reference: Reference, decision: Decision): void;
}

export interface PrefetchParts {
  readonly admitBlob: (repository: Repository, digest: Digest) => Promise<GrantedBlob | Refused>;
  /** Whether its upstream may be asked what nobody waits for. */
  readonly hasRoom: (repository: Repository) => boolean;
}

/** At most `limit` blobs at a time; 0 for none. Each under its grant, as if a client had asked for it. */
export function createPrefetch(limit: number, { admitBlob, hasRoom }: PrefetchParts): Prefetch {
  const begun = new LRUCache<Digest, true>(atMost(PREFETCH_MEMORY));
  const waiting: (readonly [Repository, Digest])[] = [];
  let running = 0;

  async function fetch(repository: Repository, digest: Digest): Promise<void> {
    const blob = await admitBlob(repository, digest);
    if (blob.outcome === 'granted') await arrive(await blob.open());
  }

  function next(): void {
    while (running < limit) {
      const [repository, digest] = waiting.shift() ?? [];
      if (repository === undefined || digest === undefined) return;
      running++;
      void fetch(repository, digest)
        .catch(() => undefined)
        .finally(() => {
          running--;
          next();
        });
    }
  }

  return {
    begin(reference, decision) {
      if (limit === 0 || decision.outcome !== 'admitted' || begun.has(decision.digest)) return;
      if (!hasRoom(reference.repository)) return;
      begun.set(decision.digest, true);
      const { bytes, mediaType, verdict } = decision;
      // What only audit mode lets through is not worth asking for before somebody does, nor is what is attached.
      if (verdict.outcome !== 'admitted' || verdict.attached === true) return;
      const manifest = parseManifest(bytes, mediaType);
      if (manifest.kind !== 'image') return;
      for (const digest of new Set(membersOf(manifest))) {
        if (waiting.length < MAX_PREFETCH_WAITING) waiting.push([reference.repository, digest]);
      }
      next();
    },
  };
}
