/** A cache as it is after years: so many blobs, and records of so many images. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What each image has; the rest of the blobs are nobody's. */
const LAYERS = 4;
/** As the column `place` of what is kept has them. */
const PLACES = { image: 0, alone: 1, ofAnImage: 2 } as const;
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** @param path of a cache that ours has opened once, so that its folders and databases are there. */
export function fillCache(path: string, blobs: number, images: number): void {
  writeBlobs(path, blobs);
  writeUsage(join(path, 'usage.sqlite'), blobs, images);
  writeRecords(join(path, 'records.sqlite'), images);
}

function writeBlobs(path: string, count: number): void {
  const folder = join(path, 'v1/blobs/sha256');
  for (let prefix = 0; prefix < 256; prefix += 1) {
    mkdirSync(join(folder, prefix.toString(16).padStart(2, '0')), { recursive: true });
  }
  for (let index = 0; index < count; index += 1) {
    const hex = hexOf(`blob ${index}`);
    writeFileSync(join(folder, hex.slice(0, 2), hex), 'blob');
  }
}

function writeUsage(file: string, blobs: number, images: number): void {
  inOneTransaction(file, (database) => {
    const columns = '(id, digest, size, place, used, arriving)';
    const content = database.prepare(`INSERT INTO content ${columns} VALUES (?, ?, ?, ?, ?, 0)`);
    const member = database.prepare('INSERT INTO members VALUES (?, ?, 0)');
    const name = database.prepare('INSERT INTO names VALUES (?, ?, ?)');
    const ofImages = images * LAYERS;
    for (let index = 0; index < blobs; index += 1) {
      const place = index < ofImages ? PLACES.ofAnImage : PLACES.alone;
      content.run(index + 1, `sha256:${hexOf(`blob ${index}`)}`, 4, place, index + 1);
    }
    for (let index = 0; index < images; index += 1) {
      const id = blobs + index + 1;
      content.run(id, `sha256:${hexOf(`image ${index}`)}`, 1000, PLACES.image, index + 1);
      for (let layer = 1; layer <= LAYERS; layer += 1) member.run(id, index * LAYERS + layer);
      name.run(`lab.local/team/app-${index % 1000}:v${index}`, id, index + 1);
    }
  });
}

function writeRecords(file: string, count: number): void {
  inOneTransaction(file, (database) => {
    const verdict = database.prepare(
      'INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)',
    );
    const grant = database.prepare('INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    const pin = database.prepare(
      'INSERT INTO pins (registry, path, tag, digest, checked_at, since) VALUES (?, ?, ?, ?, ?, ?)',
    );
    const text = JSON.stringify({ outcome: 'admitted', signers: ['a signer'], reasons: [] });
    for (let index = 0; index < count; index += 1) {
      const of = ['lab.local', `team/app-${index % 1000}`] as const;
      const digest = `sha256:${hexOf(`image ${index}`)}`;
      verdict.run(...of, digest, '', 'policy', MANIFEST, 1000, text, 1);
      for (let layer = 0; layer < LAYERS; layer += 1) {
        const blob = `sha256:${hexOf(`blob ${index * LAYERS + layer}`)}`;
        grant.run(...of, blob, 'policy', 'blob', 'application/octet-stream', 4, digest);
      }
      pin.run(...of, `v${index}`, digest, 1, 1);
    }
  });
}

function inOneTransaction(file: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  work(database);
  database.exec('COMMIT');
  database.close();
}

function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
