/** What the books say is in a cache, for who looks at them from outside, also while a proxy writes them. */
import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { storeError } from './database.ts';

export interface UsageStats {
  readonly blobs: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Blobs that are being fetched, or were when the process ended. */
  readonly arriving: number;
  /** Images that were pulled and are kept. */
  readonly images: number;
  /** By the latest pull, the latest first. */
  readonly pulls: readonly PulledImage[];
}

export interface PulledImage {
  /** The reference, as canonical text. */
  readonly name: string;
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly pulledAt: number;
  /** Bytes on the disk of it and all that it names, also where other images name it too. */
  readonly bytes: number;
}

/**
 * Reads the books; a cache without any has nothing in it.
 * @param limit - of the pulls that are told.
 * @throws {StoreError}
 */
export function readUsageStats(file: string, limit: number): UsageStats {
  if (!existsSync(file)) return { blobs: 0, bytes: 0, arriving: 0, images: 0, pulls: [] };
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 2000 });
    const sums = database
      .prepare(
        `SELECT COUNT(*) AS blobs, SUM(size) AS bytes, SUM(arriving) AS arriving FROM content
         WHERE size > 0`,
      )
      .get();
    const images = database
      .prepare(
        `SELECT COUNT(DISTINCT content) AS images FROM names
         JOIN content ON id = content WHERE size > 0`,
      )
      .get();
    const pulls = database
      .prepare(
        `SELECT name, digest, at, (
           WITH RECURSIVE down (id) AS (
             VALUES (content.id) UNION SELECT child FROM members JOIN down ON parent = down.id
           )
           SELECT SUM(size) FROM content JOIN down USING (id)
         ) AS bytes
         FROM (SELECT name, content, at FROM names ORDER BY at DESC LIMIT ?)
         JOIN content ON id = content ORDER BY at DESC`,
      )
      .all(limit);
    return {
      blobs: numberOf(sums?.['blobs']),
      bytes: numberOf(sums?.['bytes']),
      arriving: numberOf(sums?.['arriving']),
      images: numberOf(images?.['images']),
      pulls: pulls.map(({ name, digest, at, bytes }) => ({
        name: String(name),
        digest: String(digest),
        pulledAt: numberOf(at),
        bytes: numberOf(bytes),
      })),
    };
  } catch (error) {
    throw storeError(error, file);
  } finally {
    database?.close();
  }
}

/**
 * Bytes of the images whose names are to stay, and of all that they name, each once.
 * @throws {StoreError}
 */
export function readKeptBytes(file: string, isKept: (name: string) => boolean): number {
  if (!existsSync(file)) return 0;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 2000 });
    const kept = new Set<number>();
    for (const row of database.prepare('SELECT name, content FROM names').iterate()) {
      if (isKept(String(row['name']))) kept.add(numberOf(row['content']));
    }
    const sum = database
      .prepare(
        `WITH RECURSIVE down (id) AS (
           SELECT value FROM json_each(?)
           UNION SELECT child FROM members JOIN down ON parent = down.id
         )
         SELECT SUM(size) AS bytes FROM content JOIN down USING (id)`,
      )
      .get(JSON.stringify([...kept]));
    return numberOf(sum?.['bytes']);
  } catch (error) {
    throw storeError(error, file);
  } finally {
    database?.close();
  }
}

function numberOf(value: SQLOutputValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
