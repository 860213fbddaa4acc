/** The key `tags` of a rule: how long tags answer, and which of their moves are followed. */
import { parseDuration } from './units.ts';

/** Times are milliseconds. */
export interface TagsConfig extends Moves {
  readonly refresh: number;
  /** For how much longer a tag answers at once while upstream is asked in the background. */
  readonly background: number;
  readonly maxStale: number;
  readonly onRollback: 'hold' | 'refuse' | 'allow';
  readonly cooldown: number;
}

/** As people write it, once the schema has filled in its defaults. */
export interface RawTags extends Moves {
  readonly refresh: string;
  readonly maxStale: string;
  readonly onRollback?: 'hold' | 'refuse' | 'allow';
  readonly cooldown: string;
}

interface Moves {
  readonly onMove: 'follow' | 'hold' | 'refuse';
  readonly onUnverifiedMove: 'hold' | 'refuse';
  readonly onDelete: 'purge' | 'keep';
  readonly freeze: boolean;
}

/** Milliseconds. An answer is at most this much older than `refresh` says, however seldom somebody pulls. */
const MAX_BACKGROUND = 3_600_000;

/** Reads what the schema has accepted. */
export function readTags(
  raw: RawTags,
  { insecureAcceptAnything }: { readonly insecureAcceptAnything?: true },
): TagsConfig {
  const refresh = parseDuration(raw.refresh);
  const maxStale = parseDuration(raw.maxStale);
  return {
    ...raw,
    refresh,
    // Whether upstream can be asked is not known before it was.
    background: Math.max(0, Math.min(refresh, MAX_BACKGROUND, maxStale - refresh)),
    maxStale,
    cooldown: parseDuration(raw.cooldown),
    // Where nothing is signed, an older image is worth as much as a newer one.
    onRollback: raw.onRollback ?? (insecureAcceptAnything === true ? 'allow' : 'hold'),
  };
}
