/** Whom a Notation policy trusts to sign: anybody of the trust stores, or subjects by distinguished name. */
import { attributeType, parseDistinguishedName } from './distinguished-name.ts';
import type { NotationSubject } from './notation-facts.ts';

export type TrustedIdentity =
  | { readonly kind: 'any'; readonly text: '*' }
  | {
      readonly kind: 'x509';
      /** As it is written. */
      readonly text: string;
      /** What the subject has to have, by type. */
      readonly attributes: ReadonlyMap<string, string>;
    }
  /** A kind of identity that only a plugin understands: nobody is of it here. */
  | { readonly kind: 'foreign'; readonly text: string };

const X509_SUBJECT = 'x509.subject';
const MAX_IDENTITIES = 256;
const MAX_TEXT = 4200;

/**
 * Reads `*`, `x509.subject: C=…, ST=…, O=…`, or `kind: value` of another kind.
 * @throws {SyntaxError} for text without a kind, and for names that cannot be read.
 */
export function parseTrustedIdentity(text: string): TrustedIdentity {
  if (text === '*') return { kind: 'any', text };
  const colon = text.indexOf(':');
  if (colon <= 0 || text.length > MAX_TEXT) {
    throw new SyntaxError(
      `expected "*" or "${X509_SUBJECT}: C=…, ST=…, O=…", got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  if (text.slice(0, colon) !== X509_SUBJECT) return { kind: 'foreign', text };
  return { kind: 'x509', text, attributes: parseDistinguishedName(text.slice(colon + 1)) };
}

/**
 * Reads a list of identities: `*` alone, or some that no certificate can be two of.
 * @throws {SyntaxError} for an empty list, `*` beside others, and identities that overlap.
 */
export function parseTrustedIdentities(texts: readonly string[]): readonly TrustedIdentity[] {
  if (texts.length === 0) throw new SyntaxError('expected at least one trusted identity, got none');
  if (texts.length > MAX_IDENTITIES) {
    throw new SyntaxError(`expected at most ${MAX_IDENTITIES} trusted identities`);
  }
  const identities = texts.map(parseTrustedIdentity);
  if (identities.length > 1 && identities.some(({ kind }) => kind === 'any')) {
    throw new SyntaxError('expected "*" to be the only trusted identity: it takes everybody');
  }
  for (const [index, identity] of identities.entries()) {
    const other = identities.slice(0, index).find((earlier) => overlap(earlier, identity));
    if (other !== undefined) {
      throw new SyntaxError(
        `expected trusted identities that do not overlap, got ${JSON.stringify(other.text)} and ${JSON.stringify(identity.text)}`,
      );
    }
  }
  return identities;
}

/**
 * "considered overlapping if there exists a certificate for which multiple DNs evaluate true": unless they want different
 * values of one type, a subject with the attributes of both is such a certificate's.
 */
function overlap(one: TrustedIdentity, other: TrustedIdentity): boolean {
  if (one.kind !== 'x509' || other.kind !== 'x509') return one.text === other.text;
  return [...one.attributes].every(([type, value]) => {
    const wanted = other.attributes.get(type);
    return wanted === undefined || wanted === value;
  });
}

/**
 * Whether the subject is of the identity: each attribute that the identity names is there once, alone in its RDN, with
 * exactly that value. Case and spaces count; further attributes of the subject do not.
 */
export function matchesTrustedIdentity(
  identity: TrustedIdentity,
  subject: NotationSubject,
): boolean {
  switch (identity.kind) {
    case 'any':
      return true;
    case 'foreign':
      return false;
    case 'x509':
      return [...identity.attributes].every(([type, value]) => {
        const rdns = subject.filter((rdn) => rdn.some((one) => attributeType(one.type) === type));
        const [[attribute, ...beside] = [], ...others] = rdns;
        return others.length === 0 && beside.length === 0 && attribute?.value === value;
      });
  }
}
