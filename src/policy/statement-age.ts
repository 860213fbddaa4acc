/**
 * How old what somebody attested is, by what the signer itself bound.
 *
 * Proven times of the signature (transparency log, timestamp authority) do not serve: anybody can have an old signature
 * logged and stamped anew, and whoever keeps the registry can replace the old stamp by the new one. A stamp proves that a
 * signature is no younger than it, never that it is no older. What cannot be moved is inside the signature: the
 * certificate, which a keyless signer gets for one signature and whose `notBefore` is its hour, and the time that the
 * predicate names where its type defines one. The oldest of them counts: a scan of last year signed today is a year old,
 * and so is one of today under a key that was certified a year ago.
 */
import { isJsonObject } from '../oci/json.ts';
import type { Evidence, Statement } from './evidence.ts';
import { withoutVersion } from './predicate-type.ts';
import { describeDuration } from './words.ts';

/** Clocks differ; what claims to come from later than this is no truth about the present. Milliseconds. */
const TOLERANCE = 5 * 60_000;

/** Where a type keeps its time; of several paths the first that is there. */
const TIMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['https://cosign.sigstore.dev/attestation/vuln/v1', ['metadata.scanFinishedOn']],
  ['https://cosign.sigstore.dev/attestation/v1', ['Timestamp']],
  ['https://slsa.dev/provenance/v0.2', ['metadata.buildFinishedOn']],
  [
    'https://slsa.dev/provenance/v1',
    ['runDetails.metadata.finishedOn', 'runDetails.metadata.startedOn'],
  ],
  ['https://cyclonedx.org/bom', ['metadata.timestamp']],
  ['https://spdx.dev/Document', ['creationInfo.created']],
  ['https://openvex.dev/ns', ['last_updated', 'timestamp']],
]);

// RFC 3339 §5.6, with seconds and an offset.
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

export type Age =
  | { readonly fresh: true; /** Milliseconds since the epoch. */ readonly until: number }
  | { readonly fresh: false; readonly because: string };

/**
 * Whether the attestation is at most `maxAge` old.
 * @param maxAge milliseconds.
 * @param now milliseconds since the epoch.
 */
export function ageOf(
  { signer }: Evidence,
  statement: Statement,
  maxAge: number,
  now: number,
): Age {
  const said = timeOf(statement);
  if (said !== undefined && Number.isNaN(said))
    return stale('its predicate names no readable time');
  const times = [
    ...(signer.kind === 'certificate' ? [signer.notBefore] : []),
    ...(said === undefined ? [] : [said]),
  ];
  if (times.length === 0) return stale('neither certificate nor predicate says how old it is');
  if (Math.max(...times) > now + TOLERANCE) return stale('it claims to come from the future');
  const oldest = Math.min(...times);
  if (now - oldest > maxAge) {
    const [age, allowed] = [describeDuration(now - oldest), describeDuration(maxAge)];
    return stale(`it is ${age} old, the limit is ${allowed}`);
  }
  return { fresh: true, until: oldest + maxAge };
}

function stale(because: string): Age {
  return { fresh: false, because };
}

/** The time that the predicate names; NaN where there is one that cannot be read. */
function timeOf({ predicateType, json }: Statement): number | undefined {
  for (const path of TIMES.get(withoutVersion(predicateType)) ?? []) {
    const value = path.split('.').reduce<unknown>(memberOf, json['predicate']);
    if (value === undefined || value === null || value === '') continue;
    return typeof value === 'string' && TIME.test(value) ? Date.parse(value) : Number.NaN;
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
