/** Whom a certificate names: every subject alternative name, the identity's issuer, Fulcio's extensions. */
import {
  CERTIFICATE_EXTENSIONS,
  type CertificateExtension,
} from '../../policy/certificate-extension.ts';
import type { CertificateSigner, SubjectName } from '../../policy/evidence.ts';
import type { Certificate } from '../../trust/certificate.ts';
import {
  context,
  contextPrimitive,
  inner,
  membersOf,
  readDer,
  requireTag,
  TAG,
  type Der,
} from '../../trust/der.ts';
import { parseIa5, parseOid, parseUtf8 } from '../../trust/der-values.ts';
import { EXTENSION } from '../../trust/x509-extensions.ts';

export type Identity = Pick<CertificateSigner, 'issuer' | 'subjects' | 'extensions'>;

const MAX_SUBJECTS = 64;
const OTHER_NAME = '1.3.6.1.4.1.57264.1.7';
const ISSUER: CertificateExtension = { oid: '1.3.6.1.4.1.57264.1.8', encoding: 'der' };
const OLD_ISSUER: CertificateExtension = { oid: '1.3.6.1.4.1.57264.1.1', encoding: 'raw' };

/** GeneralName (RFC 5280 §4.2.1.6) by tag byte. */
const TEXT_NAMES: ReadonlyMap<number, SubjectName['type']> = new Map([
  [contextPrimitive(1), 'email'],
  [contextPrimitive(2), 'dns'],
  [contextPrimitive(6), 'uri'],
]);
/** Names that are no identity to match: x400Address, directoryName, ediPartyName, iPAddress, registeredID. */
const PASSED_OVER: ReadonlySet<number> = new Set([
  context(3),
  context(4),
  context(5),
  contextPrimitive(7),
  contextPrimitive(8),
]);

/**
 * Reads the identity that the certificate's authority vouches for.
 * @throws {SyntaxError} when it names nobody, and for text that two readers could read differently.
 */
export function readIdentity(leaf: Certificate): Identity {
  const issuer = readText(leaf, ISSUER, 'the issuer');
  const oldIssuer = readText(leaf, OLD_ISSUER, 'the issuer');
  // Who reads the one and who reads the other must not come to different answers.
  if (issuer !== undefined && oldIssuer !== undefined && issuer !== oldIssuer) {
    throw new SyntaxError('the certificate names two issuers of its identity');
  }
  const named = issuer ?? oldIssuer;
  if (named === '') throw new SyntaxError('the certificate names an empty issuer of its identity');
  return { issuer: named, subjects: readSubjects(leaf), extensions: readExtensions(leaf) };
}

function readSubjects(leaf: Certificate): readonly SubjectName[] {
  const extension = leaf.extensions.get(EXTENSION.subjectAltName);
  if (extension === undefined) throw new SyntaxError('the certificate names no subject');
  const list = readDer(extension.value, 'subjectAltName');
  const names = membersOf(
    requireTag(list, TAG.sequence, 'subjectAltName to be a list'),
    'subjectAltName',
  );
  if (names.length > MAX_SUBJECTS) {
    throw new SyntaxError(`expected at most ${MAX_SUBJECTS} subjects of the certificate`);
  }
  const subjects = names.flatMap((name) => readName(name) ?? []);
  if (subjects.length === 0) throw new SyntaxError('the certificate names no subject');
  return subjects;
}

function readName(name: Der): SubjectName | undefined {
  const type = TEXT_NAMES.get(name.tag);
  if (type !== undefined)
    return { type, value: parseIa5(name.content, `the ${type} of the certificate`) };
  if (name.tag === context(0)) return readOtherName(name);
  if (PASSED_OVER.has(name.tag)) return undefined;
  throw new SyntaxError('unexpected kind of subject in the certificate');
}

/** Fulcio's otherName, a user name; those of others are passed over. */
function readOtherName(name: Der): SubjectName | undefined {
  const what = 'the otherName of the certificate';
  const [type, value, ...rest] = membersOf(name, what);
  if (value?.tag !== context(0) || rest.length > 0)
    throw new SyntaxError(`expected ${what} to have a value`);
  if (parseOid(type, what) !== OTHER_NAME) return undefined;
  return { type: 'other', value: nonEmpty(readUtf8String(inner(value, what), what), what) };
}

function readExtensions(leaf: Certificate): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...CERTIFICATE_EXTENSIONS].flatMap(([name, extension]) => {
      const text = readText(leaf, extension, name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

function readText(
  leaf: Certificate,
  { oid, encoding }: CertificateExtension,
  what: string,
): string | undefined {
  const value = leaf.extensions.get(oid)?.value;
  if (value === undefined) return undefined;
  return encoding === 'raw' ? parseUtf8(value, what) : readUtf8String(readDer(value, what), what);
}

function readUtf8String(element: Der, what: string): string {
  return parseUtf8(requireTag(element, TAG.utf8String, `${what} to be a UTF8String`).content, what);
}

function nonEmpty(text: string, what: string): string {
  if (text === '') throw new SyntaxError(`expected ${what} not to be empty`);
  return text;
}
