/** A blob store for a decision on trial: what is there is read, nothing is put there. */
import type { BlobStore } from '../store/blob-store.ts';

export function trialBlobs(known: Pick<BlobStore, 'stat' | 'get'>): BlobStore {
  return {
    stat: (digest) => known.stat(digest),
    open: () => Promise.resolve(undefined),
    get: (digest, maxBytes) => known.get(digest, maxBytes),
    put: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    fill: (digest) => Promise.reject(new Error(`expected no content of ${digest} to be asked for`)),
    close: () => Promise.resolve(),
  };
}
