/**
 * The upstream, or someone in the middle, sends a blob that is right but for its last byte. Bytes cannot be taken back
 * once they left, so a proxy that passes them on while it hashes finds out when the client has the whole. Here the
 * last bytes of a blob stay until its digest is proven, for every reader, also one that asks for the end alone.
 */
import t from 'tap';
import type { BlobReader } from '../../src/store/blob-store.ts';
import { HELD_TAIL, openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import {
  filesBelow,
  HandFedSource,
  openDescriptors,
  someContent,
  until,
} from '../store/sources.ts';
import { testdir } from '../helpers/testdir.ts';

/** Everything that the reader gives, from the position until it fails. */
async function readUntilFailure(
  reader: BlobReader,
  position: number,
): Promise<{ readonly end: number; readonly error: unknown }> {
  const target = Buffer.alloc(7000);
  let end = position;
  try {
    for (;;) {
      const bytes = await reader.read(target, end);
      if (bytes === 0) return { end, error: undefined };
      end += bytes;
    }
  } catch (error) {
    return { end, error };
  } finally {
    await reader.close();
  }
}

for (const size of [1, HELD_TAIL, HELD_TAIL + 1, 1_000_000]) {
  t.test(
    `no reader gets the tail of a blob of ${size} bytes whose last byte is wrong`,
    async (t) => {
      const folder = testdir(t);
      const warnings: object[] = [];
      const logger = { warn: (details: object) => warnings.push(details) };
      const store = await openDiskBlobStore({ path: folder, logger });
      const { bytes, digest } = someContent(size);
      bytes[size - 1] = (bytes[size - 1] ?? 0) ^ 1;

      const fed = new HandFedSource();
      const options = { size, source: fed.source };
      const tail = Math.max(0, size - HELD_TAIL);
      const starts = [0, 0, Math.floor(size / 2), tail, size - 1, size];
      const reading = starts.map(async (start) => {
        return readUntilFailure(await store.fill(digest, options), start);
      });
      fed.feed(bytes.subarray(0, size - 1));
      fed.feed(bytes.subarray(size - 1));
      fed.end();
      for (const [index, { end, error }] of (await Promise.all(reading)).entries()) {
        const start = starts[index] ?? 0;
        t.match(error, { name: 'FillError', code: 'digest-mismatch' });
        t.ok(
          end <= Math.max(start, tail),
          `from ${start} it got up to ${end}, the tail is from ${tail}`,
        );
      }

      t.equal(await store.stat(digest), undefined);
      await until(() => filesBelow(folder).length === 0);
      t.match(warnings, [{ digest, code: 'digest-mismatch' }], 'and the operator is told once');
      await store.close();
      t.equal(openDescriptors(folder), 0);
    },
  );
}
