/** What belongs together, in the tables of a usage: images over the content that they name, each content once. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { isDigest, type Digest } from '../oci/digest.ts';
import { SMALL, type BlobUse, type ImageGraph, type NamedPull, type Pull } from './usage.ts';

/** Names of one image that are read at a time. */
const NAMES = 256;
/** Content of one image that is found at once, and that is looked at to find it: some milliseconds. */
const MAX_FOUND = 1024;
const MAX_LOOKS = 4096;
/** Content that anybody attached to one image and that goes with it. */
const MAX_ATTACHED = 1024;

/** Writes run in the caller's transaction. */
export class SqliteImages {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #ancestors: StatementSync;
  readonly #members: StatementSync;
  readonly #children: StatementSync;
  readonly #parents: StatementSync;
  readonly #join: StatementSync;
  readonly #attach: StatementSync;
  readonly #detach: StatementSync;
  readonly #isMember: StatementSync;
  readonly #asMember: StatementSync;
  readonly #asImage: StatementSync;
  readonly #use: StatementSync;
  readonly #name: StatementSync;
  readonly #content: StatementSync;
  readonly #names: StatementSync;
  readonly #part: StatementSync;
  readonly #alone: StatementSync;
  readonly #orphan: StatementSync;
  readonly #forget: StatementSync;
  readonly #forgetNames: StatementSync;

  constructor(database: DatabaseSync) {
    const prepare = (sql: string): StatementSync => database.prepare(sql);
    const UP = `WITH RECURSIVE up (id) AS (
      VALUES (?) UNION SELECT parent FROM members JOIN up ON child = up.id
    )`;
    const HAS_PARENT = 'EXISTS (SELECT 1 FROM members WHERE child = content.id)';
    this.#find = prepare('SELECT id, size, arriving FROM content WHERE digest = ?');
    this.#insert = prepare(
      'INSERT OR IGNORE INTO content (digest, size, place, used, arriving) VALUES (?, 0, ?, 0, 0)',
    );
    this.#ancestors = prepare(`${UP} SELECT id FROM up`);
    this.#members = prepare(
      'SELECT COUNT(*) AS count FROM members WHERE parent = ? AND attached = ?',
    );
    this.#children = prepare('SELECT child AS id FROM members WHERE parent = ? LIMIT ?');
    this.#parents = prepare('SELECT parent AS id FROM members WHERE child = ?');
    this.#join = prepare(
      `INSERT INTO members (parent, child, attached) VALUES (?, ?, 0)
       ON CONFLICT DO UPDATE SET attached = 0`,
    );
    this.#attach = prepare(
      'INSERT OR IGNORE INTO members (parent, child, attached) VALUES (?, ?, 1)',
    );
    this.#detach = prepare('DELETE FROM members WHERE child = ? AND attached = 1');
    this.#isMember = prepare('SELECT 1 FROM members WHERE parent = ? AND child = ?');
    this.#asMember = prepare('UPDATE content SET place = 2 WHERE id = ? AND place <> 2');
    this.#asImage = prepare(`UPDATE content SET place = IIF(${HAS_PARENT}, 2, 0) WHERE id = ?`);
    this.#use = prepare(`${UP} UPDATE content SET used = MAX(used, ?) WHERE id IN up`);
    this.#name = prepare('REPLACE INTO names (name, content, at) VALUES (?, ?, ?)');
    this.#content = prepare('SELECT digest, size FROM content WHERE id = ?');
    this.#names = prepare(
      'SELECT name, at FROM names WHERE content = ? AND name > ? ORDER BY name LIMIT ?',
    );
    this.#part = prepare('DELETE FROM members WHERE parent = ?');
    this.#alone = prepare('UPDATE content SET place = IIF(size < ?, 1, 0) WHERE id = ?');
    this.#orphan = prepare(`UPDATE content SET place = 0 WHERE id = ? AND NOT ${HAS_PARENT}`);
    this.#forget = prepare('DELETE FROM content WHERE id = ? AND size = 0 AND arriving = 0');
    this.#forgetNames = prepare('DELETE FROM names WHERE content = ?');
  }

  /** Whether {@link link} would change nothing. */
  isLinked(manifest: Digest, members: ReadonlySet<Digest>): boolean {
    const id = this.#idOf(manifest);
    return id !== undefined && this.#countOf(id, 0) === members.size;
  }

  link(manifest: Digest, members: ReadonlySet<Digest>): void {
    this.#insert.run(manifest, 0);
    const parent = this.#idOf(manifest);
    if (parent === undefined) return;
    // Content in a circle would never be the next to go. No digest can be in one, but what is attached can name any.
    const above = new Set(this.#all(this.#ancestors, parent));
    for (const member of members) {
      this.#insert.run(member, 2);
      const child = this.#idOf(member);
      if (child === undefined || above.has(child)) continue;
      this.#join.run(parent, child);
      this.#asMember.run(child);
    }
    // Whoever can push can attach an image to another one, which would keep it as long as that.
    this.#detach.run(parent);
    this.#asImage.run(parent);
  }

  /** Whether {@link attach} would change nothing, as far as that is known at once. */
  isAttached(image: Digest, content: Digest): boolean {
    const [parent, child] = [this.#idOf(image), this.#idOf(content)];
    if (parent === undefined || child === undefined) return image === content;
    return parent === child || this.#isMember.get(parent, child) !== undefined;
  }

  attach(image: Digest, content: Digest): void {
    this.#insert.run(image, 0);
    this.#insert.run(content, 2);
    const [parent, child] = [this.#idOf(image), this.#idOf(content)];
    if (parent === undefined || child === undefined) return;
    if (this.#all(this.#children, child, 1).length > 0) return;
    if (this.#countOf(parent, 1) >= MAX_ATTACHED) {
      this.#orphan.run(child);
      return;
    }
    this.#attach.run(parent, child);
    this.#asMember.run(child);
  }

  /** Whether the manifest is on the disk. */
  pulled(digest: Digest, { use, names, at }: Pull): boolean {
    const { id, size } = this.#find.get(digest) ?? {};
    if (typeof id !== 'number') return false;
    this.#use.run(id, use);
    for (const name of names) this.#name.run(name, id, at);
    return size !== 0;
  }

  graph(root: Digest): ImageGraph {
    const id = this.#idOf(root);
    if (id === undefined) return { blobs: [{ digest: root, size: 0 }], pulls: [] };
    const ids = this.#exclusive(id);
    const blobs = [...ids].flatMap((each) => useOf(this.#content.get(each)));
    return { blobs, pulls: { [Symbol.iterator]: () => this.#pullsOf(ids) } };
  }

  /** Unless it came back meanwhile. */
  unlink(root: Digest): void {
    const { id, size, arriving } = this.#find.get(root) ?? {};
    if (typeof id !== 'number' || size !== 0 || arriving !== 0) return;
    const left = this.#exclusive(id);
    const below = new Set([...left].flatMap((each) => this.#all(this.#children, each, -1)));
    for (const each of left) this.#part.run(each);
    for (const each of left) {
      this.#alone.run(SMALL, each);
      this.#forgetNames.run(each);
      this.#forget.run(each);
    }
    // What was too much to be looked at is no image's now, and goes next.
    for (const each of below) if (!left.has(each)) this.#orphan.run(each);
  }

  *#pullsOf(ids: ReadonlySet<number>): Generator<NamedPull, undefined> {
    for (const id of ids) {
      for (let after = ''; ;) {
        const rows = this.#names.all(id, after, NAMES);
        for (const { name, at } of rows) {
          if (typeof name !== 'string') continue;
          after = name;
          yield { name, at: typeof at === 'number' ? at : 0 };
        }
        if (rows.length < NAMES) break;
      }
    }
    return undefined;
  }

  /** A root and all below it that nothing beside it names. */
  #exclusive(root: number): ReadonlySet<number> {
    const found = new Set([root]);
    let looks = 0;
    // A member is looked at again with each of its parents, the last of which finds it to be ours alone.
    for (const id of found) {
      for (const child of this.#all(this.#children, id, MAX_LOOKS - looks)) {
        looks++;
        if (found.size >= MAX_FOUND || looks >= MAX_LOOKS) return found;
        if (this.#isBelow(found, child)) found.add(child);
      }
    }
    return found;
  }

  /** Common layers have many parents, the first of which mostly is another image's. */
  #isBelow(found: ReadonlySet<number>, child: number): boolean {
    for (const { id } of this.#parents.iterate(child)) {
      if (typeof id !== 'number' || !found.has(id)) return false;
    }
    return true;
  }

  #idOf(digest: Digest): number | undefined {
    const id = this.#find.get(digest)?.['id'];
    return typeof id === 'number' ? id : undefined;
  }

  #countOf(parent: number, attached: 0 | 1): number {
    const count = this.#members.get(parent, attached)?.['count'];
    return typeof count === 'number' ? count : 0;
  }

  #all(statement: StatementSync, ...values: readonly SQLInputValue[]): readonly number[] {
    return statement.all(...values).flatMap(({ id }) => (typeof id === 'number' ? [id] : []));
  }
}

function useOf(row: Readonly<Record<string, SQLOutputValue>> | undefined): readonly BlobUse[] {
  const digest = row?.['digest'];
  const size = row?.['size'];
  return isDigest(digest) && typeof size === 'number' ? [{ digest, size }] : [];
}
