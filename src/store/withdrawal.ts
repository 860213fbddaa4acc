/** Taking decisions back: what a manifest let in falls with it, unless something else let it in too. */
import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { textOf } from './rows.ts';

/**
 * A manifest and those that it let in. One that another let in too has a grant left, and is decided by that. The order of
 * the join and the index are said: left to itself, SQLite reads all grants of the repository for each of them.
 */
const FALLEN = `WITH RECURSIVE fallen (digest) AS (
  VALUES (:digest)
  UNION
  SELECT child.digest FROM fallen CROSS JOIN grants AS child ON child.because = fallen.digest
  WHERE child.registry = :registry AND child.path = :path AND child.policy_key = :policyKey
    AND child.kind IN ('manifest', 'attachment')
)`;

/** Statements that take the named parameters registry, path, digest and policyKey; both belong in one transaction. */
export const WITHDRAW = [
  `${FALLEN} DELETE FROM verdicts
   WHERE registry = :registry AND path = :path AND policy_key = :policyKey
     AND digest IN (SELECT digest FROM fallen)`,
  `${FALLEN} DELETE FROM grants INDEXED BY grants_because
   WHERE registry = :registry AND path = :path AND policy_key = :policyKey
     AND because IN (SELECT digest FROM fallen)`,
] as const;

/**
 * Forgets what was decided about a manifest, and about the indexes that name it, under every policy. For who is in a
 * transaction.
 */
export function withdrawEverywhere(
  database: DatabaseSync,
  { registry, path }: Repository,
  digest: Digest,
): void {
  const affected = database
    .prepare(
      `SELECT policy_key, digest FROM verdicts
         WHERE registry = :registry AND path = :path AND digest = :digest
       UNION
       SELECT policy_key, because FROM grants NOT INDEXED
         WHERE registry = :registry AND path = :path AND digest = :digest AND kind = 'manifest'
       UNION
       SELECT policy_key, because FROM grants
         WHERE registry = :registry AND path = :path AND because = :digest`,
    )
    .all({ registry, path, digest });
  const statements = WITHDRAW.map((text) => database.prepare(text));
  for (const row of affected) {
    const key = {
      ...{ registry, path },
      policyKey: textOf(row, 'policy_key'),
      digest: textOf(row, 'digest'),
    };
    for (const statement of statements) statement.run(key);
  }
}
