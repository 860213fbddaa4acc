/** What a decision leaves behind: bytes, verdict, grants and pin, on disk and in memory. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import type {
  DecisionRecord,
  GrantKey,
  GrantKind,
  GrantRecord,
  VerdictKey,
  VerdictRecord,
} from '../store/records.ts';
import { atMost, GRANT_MEMORY, MAX_GIVERS } from './bounds.ts';
import type { AdmissionParts } from './parts.ts';

/** Keeps and finds what was decided. A disk that fails costs speed later, never an answer now. */
export interface Memory {
  /** Proven again when read; undefined also where the disk cannot be read. */
  findBytes(digest: Digest, maxBytes: number): Promise<Buffer | undefined>;
  keepBytes(digest: Digest, bytes: Buffer): Promise<void>;
  /** What belongs to a manifest goes with it when room is made. */
  link(manifest: Digest, members: readonly Digest[]): void;
  /** What was attached to an image goes with it, unless it is more than that. */
  attach(image: Digest, content: Digest): void;
  /** One transaction; an image's grants hold even where the disk fails. */
  record(decision: DecisionRecord): Promise<void>;
  findGrant(key: GrantKey, of: 'manifest' | 'blob'): Promise<GrantRecord | undefined>;
  /** All that gave one, as far as they are looked at. */
  findGrants(key: GrantKey, of: 'manifest' | 'blob'): Promise<readonly GrantRecord[]>;
  /** Grows with every withdrawal: what was found before it may be gone. */
  readonly withdrawals: number;
  /**
   * Forgets a verdict with all that it granted; see {@link Records.withdraw}.
   * @returns whether that was written; where not, {@link isWithdrawn} remembers it.
   */
  withdraw(key: VerdictKey): Promise<boolean>;
  /** Whether a verdict that is in the records was withdrawn and could not be removed from them. */
  isWithdrawn(key: GrantKey): boolean;
  /** A verdict that the disk did not take: grants that hold nevertheless end with it. */
  findUnwritten(key: VerdictKey): VerdictRecord | undefined;
  /** Somebody else wrote to the records, or withdrew something. */
  forget(): void;
  /**
   * How often the operator attached, approved or revoked something; where that is more than before, what is remembered is
   * forgotten.
   */
  announced(): Promise<number>;
}

/** Withdrawals that could not be written. */
const MAX_UNWRITTEN = 10_000;
/** Characters of verdicts that could not be written. */
const MAX_UNWRITTEN_VERDICTS = 16 * 1024 * 1024;

export function createMemory(
  parts: Pick<AdmissionParts, 'blobs' | 'images' | 'records' | 'local' | 'logger'>,
): Memory {
  const grants = new LRUCache<string, GrantRecord>(atMost(GRANT_MEMORY));
  const unwritten = new LRUCache<string, true>(atMost(MAX_UNWRITTEN));
  const verdicts = new LRUCache<string, VerdictRecord>({
    maxSize: MAX_UNWRITTEN_VERDICTS,
    sizeCalculation: ({ verdict }) => 1024 + verdict.length,
  });
  let withdrawals = 0;
  let announced: number | undefined;

  function forget(): void {
    withdrawals++;
    // Which of them rest on what was withdrawn only the records know.
    grants.clear();
    verdicts.clear();
  }

  return {
    async findBytes(digest, maxBytes) {
      try {
        return await parts.blobs.get(digest, maxBytes);
      } catch (error) {
        parts.logger.error({ err: error, digest }, 'manifest not read from disk');
        return undefined;
      }
    },
    async keepBytes(digest, bytes) {
      try {
        await parts.blobs.put(digest, bytes);
      } catch (error) {
        parts.logger.error({ err: error, digest }, 'manifest not kept on disk');
      }
    },
    link(manifest, members) {
      parts.images?.link(manifest, members);
    },
    attach(image, content) {
      parts.images?.attach(image, content);
    },
    async record(decision) {
      for (const grant of decision.grants ?? []) {
        const name = keyOf(grant, sideOf(grant.kind));
        // Attached content is inspected before it is served, an image's layer is not. Should one digest be both, the
        // admitted image wins; only the records see both, so a weak grant is left for them to answer.
        if (grant.kind === 'manifest' || grant.kind === 'blob') grants.set(name, grant);
        else if (isWeak(grants.get(name))) grants.delete(name);
      }
      try {
        await parts.records.record(decision);
      } catch (error) {
        parts.logger.error({ err: error }, 'decision not recorded on disk');
        const { verdict } = decision;
        if (verdict !== undefined) verdicts.set(verdictKeyOf(verdict), verdict);
      }
    },
    async findGrant(key, of) {
      const name = keyOf(key, of);
      const known = grants.get(name);
      if (known !== undefined) return known;
      const before = withdrawals;
      const [found] = await parts.records.findGrants(key, of, 1);
      if (found !== undefined && withdrawals === before) grants.set(name, found);
      return found;
    },
    findGrants: (key, of) => parts.records.findGrants(key, of, MAX_GIVERS),
    get withdrawals() {
      return withdrawals;
    },
    async withdraw(key) {
      const name = keyOf(key, 'manifest');
      unwritten.set(name, true);
      forget();
      try {
        await parts.records.withdraw(key);
        unwritten.delete(name);
        return true;
      } catch (error) {
        parts.logger.error({ err: error }, 'withdrawal not recorded on disk');
        return false;
      }
    },
    findUnwritten: (key) => verdicts.get(verdictKeyOf(key)),
    isWithdrawn: (key) => unwritten.size > 0 && unwritten.has(keyOf(key, 'manifest')),
    forget,
    async announced() {
      const number = await (parts.local ?? parts.records.local).announced();
      if (announced !== undefined && announced !== number) forget();
      announced = number;
      return number;
    },
  };
}

function sideOf(kind: GrantKind): 'manifest' | 'blob' {
  return kind === 'manifest' || kind === 'attachment' ? 'manifest' : 'blob';
}

/** A tuple: none of its members can contain a space. */
function keyOf({ repository, digest, policyKey }: GrantKey, side: 'manifest' | 'blob'): string {
  return `${side} ${formatRepository(repository)} ${digest} ${policyKey}`;
}

/** The same for what was decided about a manifest, under a tag or without one. */
function verdictKeyOf(key: VerdictKey): string {
  return `${keyOf(key, 'manifest')} ${key.tag ?? ''}`;
}

function isWeak(grant: GrantRecord | undefined): boolean {
  return grant?.kind === 'attachment' || grant?.kind === 'attachment-blob';
}
