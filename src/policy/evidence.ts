/** What a verifier proved about one digest, and what it found that proves nothing. */
import type { Digest } from '../oci/digest.ts';
import type { JsonObject } from '../oci/json.ts';
import type { NotationFacts } from './notation-facts.ts';

export type Scheme =
  'cosign-simple-signing' | 'cosign-attestation' | 'sigstore-bundle' | 'notation';

/** The key of a trust root whose signature verified. */
export interface KeySigner {
  readonly kind: 'key';
  /** The trust root's configured name. */
  readonly trustRoot: string;
  /** SHA-256 of the key's SPKI DER. */
  readonly fingerprint: Digest;
  /** What people call it: the file it came from. */
  readonly label: string;
}

/** One subject alternative name (RFC 5280 §4.2.1.6); `other` is Fulcio's otherName 1.3.6.1.4.1.57264.1.7. */
export interface SubjectName {
  readonly type: 'uri' | 'email' | 'dns' | 'other';
  readonly value: string;
}

/** A certificate of a trusted authority, valid at every time that was proven. */
export interface CertificateSigner {
  readonly kind: 'certificate';
  /** The trust root's configured name. */
  readonly trustRoot: string;
  /** SHA-256 of the certificate's DER. */
  readonly fingerprint: Digest;
  /** Who vouched for the identity: the OIDC issuer; undefined where the certificate names none. */
  readonly issuer: string | undefined;
  /** Every subject alternative name. */
  readonly subjects: readonly SubjectName[];
  /** Fulcio's extensions by name (`sourceRepositoryURI`), as text. */
  readonly extensions: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** Who made a Notation signature whose integrity holds; what else holds of it is for the rule to ask. */
export interface NotationSigner {
  readonly kind: 'notation';
  /** The trust root's configured name. */
  readonly trustRoot: string;
  /** SHA-256 of the signing certificate's DER. */
  readonly fingerprint: Digest;
  readonly facts: NotationFacts;
}

export type Signer = KeySigner | CertificateSigner | NotationSigner;

/** A transparency log's proof that it holds exactly this signature, digest and verifier. */
export interface LogInclusion {
  /** Name of the trust root that knows the log. */
  readonly trustRoot: string;
  /** The log's key id, hex: distinct logs have distinct ids. */
  readonly log: string;
  /** What people call the log: its origin. */
  readonly name: string;
  /** Who runs it, where the trust root says so. */
  readonly operator?: string;
  readonly index: string;
  /** How it is proven: a signed promise (SET), an inclusion proof under a signed checkpoint. */
  readonly by: readonly ('promise' | 'proof')[];
}

/** A time at which the signature is proven to have existed. */
export interface ProvenTime {
  /** Name of the trust root that knows the authority. */
  readonly trustRoot: string;
  readonly source: 'transparency-log' | 'timestamp-authority';
  /** Names the authority: the log's key id, or a timestamp authority; distinct authorities differ in it. */
  readonly authority: string;
  /** What people call it. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** An in-toto statement whose envelope verified and one of whose subjects is the digest. */
export interface Statement {
  readonly predicateType: string;
  /** The whole statement as parsed JSON. */
  readonly json: JsonObject;
}

declare const proven: unique symbol;

/** A proven statement "this signer signed this digest". Only `verify/` makes one; a test holds to that. */
export interface Evidence {
  readonly [proven]: true;
  readonly scheme: Scheme;
  readonly signer: Signer;
  readonly digest: Digest;
  /** The manifest that carries the signature. */
  readonly foundIn: Digest;
  /** Present where an attestation was signed rather than the image alone. */
  readonly statement?: Statement;
  /** Names of the image that the signer signed along: docker-reference, name of the matching subject. */
  readonly references: readonly string[];
  readonly logs: readonly LogInclusion[];
  /** Key ids (hex) of certificate-transparency logs that promised to log the certificate. */
  readonly certificateLogs: readonly string[];
  readonly times: readonly ProvenTime[];
  /**
   * Only where no time is proven: the certificate chain was valid when it was looked at, and stays so until then.
   * Milliseconds since the epoch.
   */
  readonly validUntil?: number;
  /**
   * When the signer's word ends, as he signed it along: an approval with an expiry. Milliseconds since the epoch. What is
   * there and cannot be read counts as over.
   */
  readonly expires?: number | 'unreadable';
}

/** For `verify/` alone, after signature and binding have been checked. */
export function proveEvidence(fields: Omit<Evidence, typeof proven>): Evidence {
  return fields as Evidence;
}

/** One signature that was looked at, for people: where it is and what came of it. */
export interface Finding {
  /** `tag sha256-….sig`, `referrer sha256:…`. */
  readonly place: string;
  readonly scheme: Scheme | 'other';
  readonly outcome: 'verified' | 'rejected' | 'ignored';
  /** Why it is rejected: it does not hold, or it is by somebody that no trust root vouches for. */
  readonly fault?: 'invalid' | 'untrusted';
  /** One sentence: who signed, or why it does not count. */
  readonly text: string;
}

/** `key release.pub of release-keys (sha256:0123…)`, `https://github.com/… (issuer https://…)`: for messages. */
export function describeSigner(signer: Signer): string {
  if (signer.kind === 'key') {
    return `key ${signer.label} of ${signer.trustRoot} (${signer.fingerprint.slice(0, 19)}…)`;
  }
  if (signer.kind === 'notation') {
    const { subjectText, authenticity } = signer.facts;
    const stranger = authenticity.ok ? '' : ', vouched for by nobody who is trusted';
    return `${subjectText} (notation, certificate ${signer.fingerprint.slice(0, 19)}…)${stranger}`;
  }
  const names = signer.subjects.map(({ value }) => value).join(', ') || 'no subject';
  return `${names} (issuer ${signer.issuer ?? 'none'}, certificate ${signer.fingerprint.slice(0, 19)}…)`;
}

/** The whole story of one piece of evidence: signer, predicate type, logs with index, times with their source. */
export function describeEvidence(evidence: Evidence): string {
  const { signer, statement, logs, times, expires } = evidence;
  return [
    `${statement === undefined ? 'signed' : `attested (${statement.predicateType})`} by ${describeSigner(signer)}`,
    ...logs.map(({ name, index, by }) => `in log ${name} at index ${index} (${by.join(' and ')})`),
    ...times.map(({ name, time }) => `at ${new Date(time).toISOString()} by ${name}`),
    ...(expires === undefined ? [] : [describeExpiry(expires)]),
  ].join('; ');
}

function describeExpiry(expires: number | 'unreadable'): string {
  return expires === 'unreadable'
    ? 'with an expiry that cannot be read'
    : `good until ${new Date(expires).toISOString()}`;
}
