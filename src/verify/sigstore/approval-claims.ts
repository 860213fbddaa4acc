/**
 * What `countersign approve` signs along with a digest: members of its own in the predicate of a signature as cosign 3
 * makes it, which cosign leaves unread.
 */
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import type { Claims } from '../evidence.ts';

/** The member of the predicate. */
export const APPROVAL_MEMBER = 'countersign';

export type ApprovalClaims = Pick<Claims, 'references' | 'expires'>;

/** `countersign approve` writes them; whatever else cosign signs has none. */
export function readApproval({ predicate }: JsonObject): ApprovalClaims {
  if (!isJsonObject(predicate) || !Object.hasOwn(predicate, APPROVAL_MEMBER)) {
    return { references: [] };
  }
  const approval = predicate[APPROVAL_MEMBER];
  // Somebody signed a limit in a form that is not known here: it must not be taken for none.
  if (!isJsonObject(approval)) return { references: [], expires: 'unreadable' };
  const { reference } = approval;
  const references = typeof reference === 'string' && reference !== '' ? [reference] : [];
  if (!Object.hasOwn(approval, 'expires')) return { references };
  return { references, expires: parseExpiry(approval['expires']) ?? 'unreadable' };
}

/** Milliseconds since the epoch of the one spelling in which times are signed: RFC 3339 with milliseconds, in UTC. */
function parseExpiry(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const time = Date.parse(value);
  return Number.isFinite(time) && new Date(time).toISOString() === value ? time : undefined;
}
