/** A process that fills blob after blob and records a decision about each, until it is killed or left alone. */
import { join } from 'node:path';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { decisionOf, numberedContent } from './numbered.ts';
import { readAndClose, sourceOf } from './sources.ts';

const folder = process.argv[2] ?? '';
const store = await openDiskBlobStore({ path: folder });
const records = await openSqliteRecords({ file: join(folder, 'records.db') });
const parent = process.ppid;
console.log('started');
for (let number = 0; process.ppid === parent; number++) {
  const { bytes, size, digest } = numberedContent(number);
  const reader = await store.fill(digest, { size, source: sourceOf(bytes, 3000) });
  await Promise.all([readAndClose(reader), records.record(decisionOf(number))]);
  if (number === 0) console.log('decided');
}
