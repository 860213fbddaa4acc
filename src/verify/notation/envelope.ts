/** What both kinds of Notation envelope carry, and the rules for it (signature-specification.md "Signature Envelope"). */
import type { NotationScheme } from '../../policy/notation-facts.ts';
import { parseCertificate, type Certificate } from '../../trust/certificate.ts';
import { MAX_CHAIN } from '../bounds.ts';

/** An envelope as it was read; nothing in it is believed yet. */
export interface Envelope {
  readonly kind: 'jws' | 'cose';
  /** The exact bytes that the signature is over. */
  readonly signed: Buffer;
  readonly signature: Buffer;
  readonly payload: Buffer;
  /** JOSE's name of the algorithm that the signer declared. */
  readonly algorithm: string;
  readonly attributes: SignedAttributes;
  /** The signing certificate first. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** DER of an RFC 3161 token. Nothing signs it but the authority itself. */
  readonly timestamp: Buffer | undefined;
}

export interface SignedAttributes {
  readonly scheme: NotationScheme;
  /** signingTime or authenticSigningTime, whichever the scheme has. Milliseconds since the epoch. */
  readonly signingTime: number;
  /** Milliseconds since the epoch. */
  readonly expiry: number | undefined;
}

/** Names of attributes, the same in both envelopes. */
export const ATTRIBUTE = {
  scheme: 'io.cncf.notary.signingScheme',
  signingTime: 'io.cncf.notary.signingTime',
  authenticSigningTime: 'io.cncf.notary.authenticSigningTime',
  expiry: 'io.cncf.notary.expiry',
  plugin: 'io.cncf.notary.verificationPlugin',
  pluginVersion: 'io.cncf.notary.verificationPluginMinVersion',
  timestamp: 'io.cncf.notary.timestampSignature',
} as const;

/** Attributes that mean something only where they are signed. */
export const SIGNED_ATTRIBUTES: readonly string[] = [
  ATTRIBUTE.scheme,
  ATTRIBUTE.signingTime,
  ATTRIBUTE.authenticSigningTime,
  ATTRIBUTE.expiry,
  ATTRIBUTE.plugin,
  ATTRIBUTE.pluginVersion,
];

const PAYLOAD_TYPE = 'application/vnd.cncf.notary.payload.v1+json';
const SCHEMES: readonly NotationScheme[] = ['notary.x509', 'notary.x509.signingAuthority'];

/** Signed attributes as an envelope gives them, each of the type that the envelope demands. */
export interface RawAttributes {
  /** Names of all that is signed; COSE has numbers too. */
  readonly names: Iterable<string | number>;
  readonly critical: readonly (string | number)[];
  readonly contentType: string;
  readonly scheme: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly signingTime: number | undefined;
  readonly authenticSigningTime: number | undefined;
  readonly expiry: number | undefined;
}

/**
 * Checks the signed attributes to the letter.
 * @throws {SyntaxError} also for attributes that are critical and unknown, where the reference implementation looks away,
 * and for those that call for a verification plugin: none is run.
 */
export function requireAttributes(raw: RawAttributes): SignedAttributes {
  const names = new Set(raw.names);
  // "An implementation MUST fail signature verification if it cannot perform the equivalent verification logic."
  if (names.has(ATTRIBUTE.plugin) || names.has(ATTRIBUTE.pluginVersion)) {
    throw new SyntaxError('it asks for a verification plugin, and none is run here');
  }
  if (raw.contentType !== PAYLOAD_TYPE) {
    throw new SyntaxError(`expected content type ${PAYLOAD_TYPE}, got ${quoted(raw.contentType)}`);
  }
  const scheme = SCHEMES.find((known) => known === raw.scheme);
  if (scheme === undefined) throw new SyntaxError(`unknown signing scheme ${quoted(raw.scheme)}`);
  requireCritical(raw.critical, scheme, raw.expiry !== undefined);
  return { scheme, ...timesOf(scheme, raw) };
}

/** Exactly what has to be critical is: more is unknown to us, less is open to a verifier that skips it. */
function requireCritical(
  critical: RawAttributes['critical'],
  scheme: NotationScheme,
  hasExpiry: boolean,
): void {
  const expected = new Set<string | number>([
    ATTRIBUTE.scheme,
    ...(hasExpiry ? [ATTRIBUTE.expiry] : []),
    ...(scheme === 'notary.x509' ? [] : [ATTRIBUTE.authenticSigningTime]),
  ]);
  const listed = new Set(critical);
  // RFC 7515 §4.1.11: no name twice.
  if (listed.size !== critical.length) throw new SyntaxError('a critical attribute is named twice');
  for (const name of listed) {
    if (!expected.has(name)) throw new SyntaxError(`unknown critical attribute ${quoted(name)}`);
  }
  for (const name of expected) {
    if (!listed.has(name)) throw new SyntaxError(`expected attribute ${name} to be critical`);
  }
}

function timesOf(
  scheme: NotationScheme,
  { signingTime, authenticSigningTime, expiry }: RawAttributes,
): Omit<SignedAttributes, 'scheme'> {
  const [time, other, name] =
    scheme === 'notary.x509'
      ? [signingTime, authenticSigningTime, ATTRIBUTE.signingTime]
      : [authenticSigningTime, signingTime, ATTRIBUTE.authenticSigningTime];
  if (time === undefined) throw new SyntaxError(`expected attribute ${name} under ${scheme}`);
  if (other !== undefined) throw new SyntaxError(`expected ${name} alone under ${scheme}`);
  if (expiry !== undefined && expiry <= time) {
    throw new SyntaxError('expected the signature to expire after it was made');
  }
  return { signingTime: time, expiry };
}

/** @throws {SyntaxError} unless these are one to eight certificates that can be read. */
export function parseChain(ders: readonly Buffer[]): Envelope['chain'] {
  const [leaf, ...issuers] = ders;
  if (leaf === undefined || ders.length > MAX_CHAIN) {
    throw new SyntaxError(`expected a chain of 1 to ${MAX_CHAIN} certificates, got ${ders.length}`);
  }
  return [parseCertificate(leaf), ...issuers.map((der) => parseCertificate(der))];
}

function quoted(value: string | number): string {
  return JSON.stringify(typeof value === 'string' ? value.slice(0, 120) : value);
}
