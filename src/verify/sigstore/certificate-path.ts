/** From a certificate to a trusted authority: RFC 5280 §6, at every time that is proven. */
import type { Certificate } from '../../trust/certificate.ts';
import type { CertificateAuthority, Validity } from '../../trust/trust-root.ts';
import { EXTENSION, findUnknownCritical } from '../../trust/x509-extensions.ts';
import { UntrustedError } from '../candidate.ts';

export interface CertificatePath {
  /** The leaf first, the authority's root last. */
  readonly path: readonly Certificate[];
  readonly authority: CertificateAuthority;
  /** The first end of a validity on the way. Milliseconds since the epoch. */
  readonly validUntil: number;
}

/** What a leaf's key is used for, as extendedKeyUsage names it. */
export const PURPOSE = {
  codeSigning: '1.3.6.1.5.5.7.3.3',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const;

const ANY_PURPOSE = '2.5.29.37.0';
const MAX_INTERMEDIATES = 16;
const MAX_PATH = 8;
const MAX_SIGNATURE_CHECKS = 64;

interface Search {
  readonly intermediates: readonly Certificate[];
  readonly times: readonly number[];
  readonly purpose: string;
  checks: number;
  /** The certificate farthest from the leaf that was reached: its issuer is who nobody knows. */
  top: Certificate;
}

/**
 * Finds the way from a leaf to the root of one of the authorities. Short ways come first and no certificate is looked
 * at twice, so crossed and circular signatures cost no more than plain ones.
 * @param intermediates - What came with the signature: a way to a root, never a root.
 * @param times - All have to lie within the validity of every certificate and of the authority, ends included
 * (CVE-2026-24122). Milliseconds since the epoch.
 * @throws {UntrustedError} when none of the authorities issued it.
 * @throws {SyntaxError} when one did and the way does not hold: something expired, or may not sign certificates.
 */
export function findCertificatePath(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  authorities: readonly CertificateAuthority[],
  times: readonly number[],
  purpose: string = PURPOSE.codeSigning,
): CertificatePath {
  if (times.length === 0) {
    throw new SyntaxError('expected a time at which the certificate was used');
  }
  if (intermediates.length > MAX_INTERMEDIATES) {
    throw new SyntaxError(`expected at most ${MAX_INTERMEDIATES} certificates along`);
  }
  // Who holds a root's key could sign with it; a root certifies others and nothing else.
  if (authorities.some(({ chain }) => chain.at(-1)?.fingerprint === leaf.fingerprint)) {
    throw new SyntaxError("it is signed with an authority's own certificate");
  }
  const search: Search = { intermediates, times, purpose, checks: 0, top: leaf };
  for (const authority of authorities) {
    const path = findPath(leaf, authority, search, (problem) => problem === undefined);
    if (path !== undefined) return { path, authority, validUntil: firstEnd(path, authority) };
  }
  // There is none that holds. One that does not still says that the signer is no stranger, and what is wrong.
  for (const authority of authorities) {
    let obstacle: string | undefined;
    const path = findPath(leaf, authority, search, (problem) => {
      obstacle ??= problem;
      return true;
    });
    if (path !== undefined && obstacle !== undefined) throw new SyntaxError(obstacle);
  }
  throw new UntrustedError(
    `its certificate was issued by ${search.top.issuer || 'somebody without a name'}, which is no trusted authority`,
  );
}

/** Breadth first: a certificate is met with as few below it as possible, so a path length hinders no other way. */
function findPath(
  leaf: Certificate,
  authority: CertificateAuthority,
  search: Search,
  accepts: (problem: string | undefined) => boolean,
): readonly Certificate[] | undefined {
  const root = authority.chain.at(-1);
  if (root === undefined) return undefined;
  const problem = outside(
    authority.validity,
    search.times,
    `authority ${authority.name} is trusted`,
  );
  if (!accepts(problem ?? problemOf(leaf, search.times))) return undefined;
  const issuers = [root, ...authority.chain.slice(0, -1), ...search.intermediates];
  const met = new Set([leaf.fingerprint]);
  const ways: (readonly [Certificate, ...Certificate[]])[] = [[leaf]];
  // Each way starts with the certificate that was reached last.
  for (const way of ways) {
    const [certificate] = way;
    search.top = certificate;
    for (const issuer of issuers) {
      if (met.has(issuer.fingerprint)) continue;
      if (!issuer.rawSubject.equals(certificate.rawIssuer)) continue;
      if (!isSignedBy(certificate, issuer, search)) continue;
      const below = way.length - 1;
      if (
        !accepts(problemOf(issuer, search.times) ?? issuerProblem(issuer, below, search.purpose))
      ) {
        continue;
      }
      if (issuer === root) {
        if (leadsAround(authority, way, search.intermediates)) continue;
        return [root, ...way].reverse();
      }
      met.add(issuer.fingerprint);
      if (way.length < MAX_PATH - 1) ways.push([issuer, ...way]);
    }
  }
  return undefined;
}

/**
 * An authority that names the certificate it issues with means no other one under the same root: what comes along with a
 * signature may stand below that certificate, not beside it.
 */
function leadsAround(
  { chain: [issuing, ...above] }: CertificateAuthority,
  way: readonly Certificate[],
  intermediates: readonly Certificate[],
): boolean {
  if (issuing === undefined || above.length === 0) return false;
  return (
    way.some((certificate) => intermediates.includes(certificate)) &&
    !way.some(({ fingerprint }) => fingerprint === issuing.fingerprint)
  );
}

/** An authority's certificates stay, and so do their signatures over each other: one check serves for good. */
const known = new WeakMap<Certificate, WeakMap<Certificate, boolean>>();

function isSignedBy(certificate: Certificate, issuer: Certificate, search: Search): boolean {
  const answers = known.get(certificate) ?? new WeakMap<Certificate, boolean>();
  known.set(certificate, answers);
  const before = answers.get(issuer);
  if (before !== undefined) return before;
  search.checks += 1;
  if (search.checks > MAX_SIGNATURE_CHECKS) {
    throw new SyntaxError(`expected a path within ${MAX_SIGNATURE_CHECKS} signatures`);
  }
  const answer = certificate.isSignedBy(issuer);
  answers.set(issuer, answer);
  return answer;
}

/** Why no way may lead over the certificate, whatever its place. */
function problemOf(certificate: Certificate, times: readonly number[]): string | undefined {
  const { notBefore, notAfter, extensions } = certificate;
  const unknown = findUnknownCritical(extensions);
  return unknown === undefined
    ? outside({ start: notBefore, end: notAfter }, times, `${describe(certificate)} is valid`)
    : `${describe(certificate)} has the unknown critical extension ${unknown}`;
}

/** Why the certificate may not be an issuer with so many others between it and the leaf. */
function issuerProblem(issuer: Certificate, below: number, purpose: string): string | undefined {
  const who = describe(issuer);
  if (!issuer.isCa) return `${who} may not sign certificates`;
  if (issuer.maxPathLength !== undefined && below > issuer.maxPathLength) {
    return `${who} allows ${issuer.maxPathLength} certificates below it, got ${below}`;
  }
  // RFC 5280 §4.2.1.10 is not evaluated, so nobody is let through who is under a constraint.
  if (issuer.extensions.has(EXTENSION.nameConstraints)) {
    return `${who} has name constraints, which are not supported`;
  }
  const purposes = issuer.extendedKeyUsage;
  if (purposes !== undefined && !purposes.includes(purpose) && !purposes.includes(ANY_PURPOSE)) {
    return `${who} is not for ${purpose === PURPOSE.codeSigning ? 'code signing' : 'time stamping'}`;
  }
  return undefined;
}

function describe(certificate: Certificate): string {
  return certificate.subject === ''
    ? "the signer's certificate"
    : `the certificate of ${certificate.subject}`;
}

function outside(
  { start, end }: Validity,
  times: readonly number[],
  what: string,
): string | undefined {
  const time = times.find((time) => !(time >= start && time <= end));
  return time === undefined
    ? undefined
    : `${what} from ${shown(start)} to ${shown(end)}, and not at ${shown(time)}`;
}

function shown(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? 'ever' : date.toISOString();
}

function firstEnd(path: readonly Certificate[], authority: CertificateAuthority): number {
  return Math.min(authority.validity.end, ...path.map(({ notAfter }) => notAfter));
}
