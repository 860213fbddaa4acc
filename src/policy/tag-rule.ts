/** What a rule says of tags: how long they answer, and which of their moves are followed. */

/** Times are milliseconds. */
export interface TagRule {
  /** How long a tag answers without asking upstream. */
  readonly refresh: number;
  /** For how much longer it still answers at once, while upstream is asked in the background. */
  readonly background: number;
  /** How long it answers while upstream cannot be asked. */
  readonly maxStale: number;
  /** A move to another digest that is admitted. */
  readonly onMove: 'follow' | 'hold' | 'refuse';
  /** A move to a digest that is not. */
  readonly onUnverifiedMove: 'hold' | 'refuse';
  /** A move back to a digest that the tag had left, or to one that was signed before the one it has. */
  readonly onRollback: 'hold' | 'refuse' | 'allow';
  /** A tag that upstream does not have any more. */
  readonly onDelete: 'purge' | 'keep';
  /** Whether a tag that has a pin moves by an operator's word alone. */
  readonly freeze: boolean;
  /** How long a digest must have been known before a tag follows to it. */
  readonly cooldown: number;
}
