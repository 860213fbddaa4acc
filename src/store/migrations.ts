/** The shape of a database, step by step; `PRAGMA user_version` counts the steps taken. */
import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from './store-error.ts';

/** `PRAGMA application_id` of our databases: "csgn". */
const APPLICATION_ID = 0x6373676e;

/** The records, in statements of SQL. Append only: a step that was released never changes. */
export const RECORDS_STEPS: readonly string[] = [
  // An absent tag is '' (no tag is empty), since NULLs in a key are never equal to each other.
  `CREATE TABLE verdicts (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     digest TEXT NOT NULL,
     tag TEXT NOT NULL,
     policy_key TEXT NOT NULL,
     media_type TEXT NOT NULL,
     size INTEGER NOT NULL,
     verdict TEXT NOT NULL,
     decided_at INTEGER NOT NULL,
     PRIMARY KEY (registry, path, digest, tag, policy_key)
   ) STRICT;
   CREATE TABLE grants (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     digest TEXT NOT NULL,
     policy_key TEXT NOT NULL,
     kind TEXT NOT NULL,
     media_type TEXT NOT NULL,
     size INTEGER NOT NULL,
     because TEXT NOT NULL,
     PRIMARY KEY (registry, path, digest, policy_key, kind)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE pins (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     tag TEXT NOT NULL,
     digest TEXT NOT NULL,
     checked_at INTEGER NOT NULL,
     since INTEGER NOT NULL,
     PRIMARY KEY (registry, path, tag)
   ) STRICT, WITHOUT ROWID;`,
  // withheld: JSON of what the tag means upstream and is not followed; '' for nothing.
  // admitted_at: NULL for what was only seen. left_at: NULL for what upstream never took the tag away from.
  // rollback: a digest, '*' for any, '' for none; digest: '' where the tag is frozen wherever it is.
  `ALTER TABLE pins ADD COLUMN withheld TEXT NOT NULL DEFAULT '';
   CREATE TABLE tag_history (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     tag TEXT NOT NULL,
     digest TEXT NOT NULL,
     first_seen INTEGER NOT NULL,
     admitted_at INTEGER,
     evidence TEXT NOT NULL,
     signed_at INTEGER,
     left_at INTEGER,
     PRIMARY KEY (registry, path, tag, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX tag_history_by_digest ON tag_history (registry, path, digest, first_seen);
   CREATE INDEX tag_history_seen ON tag_history (registry, path, first_seen)
     WHERE admitted_at IS NULL;
   INSERT INTO tag_history
     SELECT registry, path, tag, digest, since, since, '', NULL, NULL FROM pins;
   CREATE TABLE tag_orders (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     tag TEXT NOT NULL,
     frozen INTEGER NOT NULL,
     digest TEXT NOT NULL,
     rollback TEXT NOT NULL,
     ask INTEGER NOT NULL,
     PRIMARY KEY (registry, path, tag)
   ) STRICT, WITHOUT ROWID;`,
  // Each image that names some content gives a grant of its own, so that one of them may fall alone.
  // due_at: NULL for what nobody verifies again before it is asked for.
  `CREATE TABLE grants_by_image (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     digest TEXT NOT NULL,
     policy_key TEXT NOT NULL,
     kind TEXT NOT NULL,
     media_type TEXT NOT NULL,
     size INTEGER NOT NULL,
     because TEXT NOT NULL,
     PRIMARY KEY (registry, path, digest, policy_key, kind, because)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO grants_by_image SELECT * FROM grants;
   DROP TABLE grants;
   ALTER TABLE grants_by_image RENAME TO grants;
   CREATE INDEX grants_because ON grants (registry, path, policy_key, because);
   ALTER TABLE verdicts ADD COLUMN due_at INTEGER;
   UPDATE verdicts SET due_at = decided_at + abs(random() % 86400000)
     WHERE verdict NOT LIKE '%"attached":true%';
   CREATE INDEX verdicts_due ON verdicts (policy_key, due_at, registry, path, digest, tag)
     WHERE due_at IS NOT NULL;`,
  // What this side adds: approvals and imports. annotations: JSON. Absent text is '', an absent time NULL.
  // notices: how often something was announced to a running proxy, and up to where one has noticed.
  `CREATE TABLE attachments (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     subject TEXT NOT NULL,
     digest TEXT NOT NULL,
     media_type TEXT NOT NULL,
     size INTEGER NOT NULL,
     artifact_type TEXT NOT NULL,
     annotations TEXT NOT NULL,
     origin TEXT NOT NULL,
     at INTEGER NOT NULL,
     PRIMARY KEY (registry, path, subject, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX attachments_by_digest ON attachments (registry, path, digest);
   CREATE TABLE local_contents (
     digest TEXT NOT NULL PRIMARY KEY,
     bytes BLOB NOT NULL
   ) STRICT;
   CREATE TABLE approvals (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     subject TEXT NOT NULL,
     key TEXT NOT NULL,
     reference TEXT NOT NULL,
     note TEXT NOT NULL,
     approved_at INTEGER NOT NULL,
     expires INTEGER,
     manifest TEXT NOT NULL,
     revoked_at INTEGER,
     reason TEXT NOT NULL,
     PRIMARY KEY (registry, path, subject, key)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE imported_images (
     registry TEXT NOT NULL,
     path TEXT NOT NULL,
     tag TEXT NOT NULL,
     digest TEXT NOT NULL,
     at INTEGER NOT NULL,
     adopted INTEGER NOT NULL,
     PRIMARY KEY (registry, path, tag, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX imported_images_open ON imported_images (at) WHERE adopted = 0;
   CREATE TABLE notices (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     announced INTEGER NOT NULL,
     noticed INTEGER NOT NULL
   ) STRICT;
   INSERT INTO notices VALUES (1, 0, 0);`,
];

/** What is kept, what belongs together and when it was used; as {@link RECORDS_STEPS}. */
export const USAGE_STEPS: readonly string[] = [
  `CREATE TABLE blobs (
     digest TEXT NOT NULL UNIQUE,
     size INTEGER NOT NULL,
     small INTEGER NOT NULL,
     used INTEGER NOT NULL,
     arriving INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX blobs_by_use ON blobs (small, used, size);
   CREATE INDEX blobs_arriving ON blobs (arriving) WHERE arriving = 1;`,
  // place: 0 for images and for large content of none, 1 for small content of none, 2 for what belongs to an image.
  // size: 0 for what is named and not on the disk.
  // attached: 0 for what a manifest names, 1 for what was attached to it.
  `CREATE TABLE content (
     id INTEGER PRIMARY KEY,
     digest TEXT NOT NULL UNIQUE,
     size INTEGER NOT NULL,
     place INTEGER NOT NULL,
     used INTEGER NOT NULL,
     arriving INTEGER NOT NULL
   ) STRICT;
   INSERT INTO content (digest, size, place, used, arriving)
     SELECT digest, size, small, used, arriving FROM blobs;
   DROP TABLE blobs;
   CREATE INDEX content_by_place ON content (place, used, id, size);
   CREATE INDEX content_arriving ON content (arriving) WHERE arriving = 1;
   CREATE TABLE members (
     parent INTEGER NOT NULL,
     child INTEGER NOT NULL,
     attached INTEGER NOT NULL,
     PRIMARY KEY (parent, child)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX members_by_child ON members (child);
   CREATE TABLE names (
     name TEXT NOT NULL PRIMARY KEY,
     content INTEGER NOT NULL,
     at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX names_by_content ON names (content);
   CREATE INDEX names_by_time ON names (at);
   CREATE TRIGGER content_gone AFTER DELETE ON content BEGIN
     DELETE FROM names WHERE content = old.id;
   END;`,
];

/** What to know before a database is removed. */
export const WHAT_IS_LOST =
  'Without it everything is decided anew; the approvals, revocations and orders about tags that are in records.sqlite are lost with it';

/**
 * Brings the database to the shape after the last of the steps, each step whole or not at all.
 * @throws {StoreError} `newer-version` or `not-a-database`, naming the file and what to do.
 */
export function migrate(database: DatabaseSync, file: string, steps: readonly string[]): void {
  const version = pragma(database, 'user_version');
  const isNew = version === 0 && pragma(database, 'schema_version') === 0;
  if (!isNew && pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new StoreError(
      'not-a-database',
      `expected ${file} to be Countersign's own database, got another program's: name another file`,
    );
  }
  if (version > steps.length) {
    throw new StoreError(
      'newer-version',
      `expected ${file} to be of version ${steps.length} at most, got ${version}: run the newer Countersign that wrote it, or remove the file. ${WHAT_IS_LOST}`,
    );
  }
  steps.slice(version).forEach((step, index) => {
    inTransaction(database, () => {
      database.exec(step);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.exec(`PRAGMA user_version = ${version + index + 1}`);
    });
  });
}

/** All of the work or nothing of it. */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    // Some errors, a full disk among them, have rolled back already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function pragma(database: DatabaseSync, name: string): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  return typeof value === 'number' ? value : 0;
}
