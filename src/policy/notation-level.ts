/** How strictly a Notation signature is judged: what is enforced, and what only leaves a warning. */
import { isJsonObject } from '../oci/json.ts';
import { suggestName } from './near-name.ts';

/** Integrity has no place here: it is always enforced. */
export interface NotationLevel {
  /** Of the trusted identities as well. */
  readonly authenticity: 'enforce' | 'log';
  readonly authenticTimestamp: 'enforce' | 'log';
  readonly expiry: 'enforce' | 'log';
  readonly revocation: 'enforce' | 'log' | 'skip';
}

export type NotationLevelName = 'strict' | 'permissive' | 'audit';

/** trust-store-trust-policy.md "Signature Verification details". */
const LEVELS: Readonly<Record<NotationLevelName, NotationLevel>> = {
  strict: {
    authenticity: 'enforce',
    authenticTimestamp: 'enforce',
    expiry: 'enforce',
    revocation: 'enforce',
  },
  permissive: {
    authenticity: 'enforce',
    authenticTimestamp: 'log',
    expiry: 'log',
    revocation: 'log',
  },
  audit: { authenticity: 'log', authenticTimestamp: 'log', expiry: 'log', revocation: 'log' },
};

const CHECKS: ReadonlyMap<string, readonly string[]> = new Map([
  ['authenticity', ['enforce', 'log']],
  ['authenticTimestamp', ['enforce', 'log']],
  ['expiry', ['enforce', 'log']],
  ['revocation', ['enforce', 'log', 'skip']],
]);

/**
 * Reads a level and what overrides it ("Custom Verification Level").
 * @throws {SyntaxError} for an unknown level, check or action; `skip` is no level here, and integrity is never overridden.
 */
export function parseLevel(name: unknown, override?: unknown): NotationLevel {
  if (typeof name !== 'string' || !isLevelName(name)) {
    throw new SyntaxError(
      `expected the level strict, permissive or audit, got ${name === undefined ? 'none' : JSON.stringify(name)}`,
    );
  }
  return override === undefined ? LEVELS[name] : { ...LEVELS[name], ...readOverride(override) };
}

function isLevelName(name: string): name is NotationLevelName {
  return Object.hasOwn(LEVELS, name);
}

function readOverride(override: unknown): Partial<NotationLevel> {
  if (!isJsonObject(override)) throw new SyntaxError('expected override to be an object');
  for (const [check, action] of Object.entries(override)) {
    if (check === 'integrity') {
      throw new SyntaxError('expected no override of integrity: it is always enforced');
    }
    const actions = CHECKS.get(check);
    if (actions === undefined) {
      throw new SyntaxError(
        `unknown check ${JSON.stringify(check.slice(0, 80))} in override${suggestName(check, [...CHECKS.keys()])}`,
      );
    }
    if (typeof action !== 'string' || !actions.includes(action)) {
      throw new SyntaxError(`expected override.${check} to be one of ${actions.join(', ')}`);
    }
  }
  return override;
}
