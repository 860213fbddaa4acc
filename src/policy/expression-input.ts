/** What a rule sees of an attestation, as CEL values. */
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { Evidence, Signer } from './evidence.ts';

/** A JSON value for CEL, see {@link celOf}. */
export type CelValue =
  | null
  | boolean
  | string
  | bigint
  | number
  | Date
  | readonly CelValue[]
  | ReadonlyMap<string, CelValue>;

/** The variables of a rule, by name. */
export type ExpressionInput = Readonly<Record<string, CelValue>>;

/**
 * The variables of a rule about this evidence.
 * @param now milliseconds since the epoch.
 */
export function expressionInput(
  evidence: Evidence,
  statement: JsonObject,
  now: number,
): ExpressionInput {
  const all = mapOf(statement);
  const subject = all.get('subject');
  return {
    statement: all,
    predicate: all.get('predicate') ?? null,
    subject: subject instanceof Array ? subject : [],
    signer: signerOf(evidence.signer),
    now: new Date(now),
    signedAt: signedAt(evidence),
  };
}

/**
 * JSON as CEL sees it. Whole numbers are ints (CEL's literals `0` and `10` are), others doubles; whole numbers beyond 2^53
 * stay doubles, since JSON has lost their last digits already. Objects become maps without a prototype, so that
 * `constructor` and `__proto__` are members like any other, or absent.
 */
export function celOf(json: unknown): CelValue {
  if (typeof json === 'number') return Number.isSafeInteger(json) ? BigInt(json) : json;
  if (typeof json === 'string' || typeof json === 'boolean') return json;
  if (Array.isArray(json)) return json.map(celOf);
  return isJsonObject(json) ? mapOf(json) : null;
}

function mapOf(json: JsonObject): ReadonlyMap<string, CelValue> {
  return new Map(Object.entries(json).map(([name, value]) => [name, celOf(value)]));
}

function signerOf(signer: Signer): CelValue {
  const { kind, trustRoot, fingerprint } = signer;
  const certificate = signer.kind === 'certificate' ? signer : undefined;
  return new Map<string, CelValue>([
    ['kind', kind],
    ['trustRoot', trustRoot],
    ['fingerprint', fingerprint],
    ['issuer', certificate?.issuer ?? ''],
    ['subjects', certificate?.subjects.map(({ value }) => value) ?? []],
    ['extensions', new Map(Object.entries(certificate?.extensions ?? {}))],
  ]);
}

/** The earliest proven time. */
function signedAt({ times }: Evidence): Date | null {
  return times.length === 0 ? null : new Date(Math.min(...times.map(({ time }) => time)));
}
