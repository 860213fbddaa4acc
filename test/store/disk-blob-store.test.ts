import type { Test } from 'tap';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { blobStoreConformance } from '../ports/blob-store.ts';

const delay = (): Promise<void> => Promise.resolve();

blobStoreConformance('a disk store', (t: Test) => openDiskBlobStore({ path: t.testdir(), delay }));
