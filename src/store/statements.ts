/** Prepared statements of one database by their text, each prepared once. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** @returns the statement of a text; it throws what SQLite says of a text that is none. */
export function openStatements(database: DatabaseSync): (text: string) => StatementSync {
  const known = new Map<string, StatementSync>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const statement = database.prepare(text);
    known.set(text, statement);
    return statement;
  };
}
