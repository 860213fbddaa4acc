/** Blobs that the proxy is to have: each asked for once in a run, so many at a time. */
import type { Content } from '../layout/proven.ts';
import { formatRepository, type Repository } from '../oci/reference.ts';
import { got, type Answer, type Failed } from './answer.ts';
import type { ProxyClient } from './proxy-client.ts';
import { createSlots } from './slots.ts';

/** How a blob came to be in the cache. */
export type Arrival = 'cached' | 'fetched';

export interface BlobQueue {
  /** Resolves when it is in the cache, or cannot be. `onBytes` is told the bytes so far. */
  bring(
    repository: Repository,
    blob: Content,
    onBytes: (bytes: number) => void,
  ): Promise<Answer<Arrival>>;
}

export function createBlobQueue(client: ProxyClient, parallel: number): BlobQueue {
  const known = new Map<string, Promise<Answer<Arrival>>>();
  /** What could not be had with all patience, by where it was asked for: the next image that has it does not wait again. */
  const lost = new Map<string, Failed>();
  const slots = createSlots(parallel);

  async function bring(
    repository: Repository,
    blob: Content,
    onBytes: (bytes: number) => void,
  ): Promise<Answer<Arrival>> {
    const kept = await client.isKept(repository, blob);
    if (kept.outcome !== 'got') return kept;
    if (kept.value) return got('cached');
    const fetched = await client.fetchBlob(repository, blob, onBytes);
    return fetched.outcome === 'got' ? got('fetched') : fetched;
  }

  return {
    async bring(repository, blob, onBytes) {
      // Who declares another size asks for something else, which there cannot be.
      const key = `${blob.digest} ${blob.size}`;
      for (let other = known.get(key); other !== undefined; other = known.get(key)) {
        const answer = await other;
        // What failed in one repository may be there in another.
        if (answer.outcome === 'got') return got('cached');
        if (known.get(key) === other) break;
      }
      const place = `${formatRepository(repository)} ${key}`;
      const before = lost.get(place);
      if (before !== undefined) return before;
      const own = slots(() => bring(repository, blob, onBytes));
      known.set(key, own);
      const answer = await own;
      if (answer.outcome === 'failed') lost.set(place, answer);
      return answer;
    },
  };
}
