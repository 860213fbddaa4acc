/** The extensions of a certificate, and those of them that say what its key is for (RFC 5280 §4.2). */
import { membersOf, readDer, requireTag, sequence, TAG, type Der } from './der.ts';
import { parseDefaultFalse, parseNamedBits, parseOid, parseSmallInteger } from './der-values.ts';

/** One extension: its extnValue as it stands inside the OCTET STRING. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** The uses that are asked for here, of those that RFC 5280 §4.2.1.3 names. */
export type KeyUsage = 'digitalSignature' | 'keyCertSign';

/** What the extensions say, read; absent ones are undefined. */
export interface ReadExtensions {
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly isCa: boolean;
  readonly claimsCa: boolean;
  readonly maxPathLength: number | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyId: Buffer | undefined;
}

export const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
} as const;

const KEY_USAGE_BITS: readonly (readonly [number, KeyUsage])[] = [
  [0, 'digitalSignature'],
  [5, 'keyCertSign'],
];

/** @throws {SyntaxError} for a list with an extension twice, and for malformed ones of those that are read. */
export function readExtensions(list: Der | undefined): ReadExtensions {
  const extensions = list === undefined ? new Map<string, Extension>() : readList(list);
  const valueOf = (oid: string, what: string): Der | undefined => {
    const extension = extensions.get(oid);
    return extension && readDer(extension.value, what);
  };
  const keyUsageValue = valueOf(EXTENSION.keyUsage, 'keyUsage');
  const keyUsage = keyUsageValue && readKeyUsage(keyUsageValue);
  const extendedKeyUsage = valueOf(EXTENSION.extendedKeyUsage, 'extendedKeyUsage');
  const subjectKeyId = valueOf(EXTENSION.subjectKeyId, 'subjectKeyIdentifier');
  const constraints = readBasicConstraints(valueOf(EXTENSION.basicConstraints, 'basicConstraints'));
  return {
    extensions,
    ...constraints,
    isCa: constraints.claimsCa && (keyUsage?.has('keyCertSign') ?? true),
    keyUsage,
    extendedKeyUsage: extendedKeyUsage && readExtendedKeyUsage(extendedKeyUsage),
    subjectKeyId:
      subjectKeyId && requireTag(subjectKeyId, TAG.octetString, 'subjectKeyIdentifier').content,
  };
}

function readList(list: Der): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  const members = membersOf(
    requireTag(list, TAG.sequence, 'a list of extensions'),
    'the extensions',
  );
  if (members.length === 0) throw new SyntaxError('expected at least one extension');
  for (const member of members) {
    const fields = sequence(member, 'an extension');
    const oid = parseOid(fields.takeAny(), 'the name of an extension');
    const critical = parseDefaultFalse(fields.takeIf(TAG.boolean), 'critical');
    const { content: value } = fields.take(TAG.octetString, 'extnValue');
    fields.end();
    // RFC 5280 §4.2: never more than one instance, or two readers take two different ones.
    if (extensions.has(oid)) throw new SyntaxError(`expected extension ${oid} once`);
    extensions.set(oid, { critical, value });
  }
  return extensions;
}

function readBasicConstraints(
  value: Der | undefined,
): Pick<ReadExtensions, 'claimsCa' | 'maxPathLength'> {
  if (value === undefined) return { claimsCa: false, maxPathLength: undefined };
  const fields = sequence(value, 'basicConstraints');
  const claimsCa = parseDefaultFalse(fields.takeIf(TAG.boolean), 'cA');
  const length = fields.takeIf(TAG.integer);
  fields.end();
  return { claimsCa, maxPathLength: length && parseSmallInteger(length, 'pathLenConstraint') };
}

function readKeyUsage(value: Der): ReadonlySet<KeyUsage> {
  const bits = parseNamedBits(value, 'keyUsage');
  return new Set(KEY_USAGE_BITS.filter(([bit]) => bits.has(bit)).map(([, usage]) => usage));
}

function readExtendedKeyUsage(value: Der): readonly string[] {
  const purposes = membersOf(
    requireTag(value, TAG.sequence, 'extendedKeyUsage to be a list'),
    'extendedKeyUsage',
  );
  if (purposes.length === 0) throw new SyntaxError('expected at least one extendedKeyUsage');
  return purposes.map((purpose) => parseOid(purpose, 'a purpose of extendedKeyUsage'));
}

/** The critical extensions that verification reads; RFC 5280 §4.2: a certificate with another one is not usable. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.basicConstraints,
  EXTENSION.extendedKeyUsage,
]);

/** OID of the first critical extension that nobody here understands. */
export function findUnknownCritical(
  extensions: ReadonlyMap<string, Extension>,
): string | undefined {
  for (const [oid, { critical }] of extensions) {
    if (critical && !UNDERSTOOD.has(oid)) return oid;
  }
  return undefined;
}
