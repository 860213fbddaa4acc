/** Revocation lists, read strictly (RFC 5280 §5). Nothing is believed yet, and the entries are not looked at. */
import {
  context,
  contextPrimitive,
  inner,
  readDer,
  sequence,
  TAG,
  type Der,
} from '../../../trust/der.ts';
import {
  parseIntegerBytes,
  parseOctetBits,
  parseSmallInteger,
  parseTime,
} from '../../../trust/der-values.ts';
import {
  parseSignatureAlgorithm,
  type SignatureAlgorithm,
} from '../../../trust/signature-algorithm.ts';
import { readExtensions, type Extension } from '../../../trust/x509-extensions.ts';
import { MAX_LIST } from './bounds.ts';
import { readDistributionPoints, readPointName } from './places.ts';

export interface RevocationList {
  /** DER of the Name. */
  readonly rawIssuer: Buffer;
  /** What is signed. */
  readonly signed: Buffer;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Buffer;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** Milliseconds since the epoch. */
  readonly nextUpdate: number | undefined;
  /** DER entries one after the other. */
  readonly entries: Buffer;
  readonly number: bigint | undefined;
  /** The number of the list that this one adds to; undefined for a full list. */
  readonly base: bigint | undefined;
  readonly scope: ListScope;
  /** DER of the extension that names the scope, for comparisons. */
  readonly rawScope: Buffer | undefined;
  /** Where the lists are that add to this one. */
  readonly freshest: readonly string[];
}

/** For which certificates a list speaks. */
export interface ListScope {
  /** What the list calls its place; undefined where it does not say. */
  readonly names: readonly string[] | undefined;
  readonly onlyUsers: boolean;
  readonly onlyAuthorities: boolean;
}

const EXTENSION = {
  number: '2.5.29.20',
  deltaBase: '2.5.29.27',
  scope: '2.5.29.28',
  authorityKeyId: '2.5.29.35',
  freshest: '2.5.29.46',
} as const;
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(EXTENSION));
const V2 = 1;
/** RFC 5280 §5.2.3. */
const MAX_NUMBER_BYTES = 21;

/** @throws {SyntaxError} for malformed lists, critical extensions that nobody here knows, and indirect or partial lists. */
export function parseRevocationList(der: Buffer): RevocationList {
  if (der.length > MAX_LIST) throw new SyntaxError('expected a revocation list of at most 32 MiB');
  const what = 'the revocation list';
  const whole = sequence(readDer(der, what), what);
  const body = whole.take(TAG.sequence, 'tbsCertList');
  const algorithmField = whole.take(TAG.sequence, 'signatureAlgorithm');
  const signature = parseOctetBits(whole.takeAny(), 'the signature of the revocation list');
  whole.end();

  const fields = sequence(body, 'tbsCertList');
  const versionField = fields.takeIf(TAG.integer);
  if (versionField !== undefined && parseSmallInteger(versionField, 'the version') !== V2) {
    throw new SyntaxError('expected a revocation list of version 2');
  }
  // RFC 5280 §5.1.1.2: what is signed has to name the same algorithm.
  if (!fields.take(TAG.sequence, 'signature').raw.equals(algorithmField.raw)) {
    throw new SyntaxError('expected one signature algorithm of the revocation list, got two');
  }
  const rawIssuer = fields.take(TAG.sequence, 'issuer').raw;
  const thisUpdate = parseTime(fields.takeAny(), 'thisUpdate');
  const next = fields.takeIf(TAG.utcTime) ?? fields.takeIf(TAG.generalizedTime);
  const entries = fields.takeIf(TAG.sequence)?.content ?? Buffer.alloc(0);
  const extensions = fields.takeIf(context(0));
  fields.end();
  if (extensions !== undefined && versionField === undefined) {
    throw new SyntaxError('expected a revocation list with extensions to be of version 2');
  }
  return {
    rawIssuer,
    signed: body.raw,
    algorithm: parseSignatureAlgorithm(algorithmField),
    signature,
    thisUpdate,
    nextUpdate: next && parseTime(next, 'nextUpdate'),
    entries,
    ...readListExtensions(extensions),
  };
}

function readListExtensions(
  field: Der | undefined,
): Pick<RevocationList, 'number' | 'base' | 'scope' | 'rawScope' | 'freshest'> {
  const extensions: ReadonlyMap<string, Extension> =
    field === undefined
      ? new Map<string, Extension>()
      : readExtensions(inner(field, 'the extensions of the revocation list')).extensions;
  for (const [oid, { critical }] of extensions) {
    // RFC 5280 §5.2: such a list must not be used to determine anything.
    if (critical && !UNDERSTOOD.has(oid)) {
      throw new SyntaxError(`the revocation list has the unknown critical extension ${oid}`);
    }
  }
  const freshest = extensions.get(EXTENSION.freshest);
  const scope = extensions.get(EXTENSION.scope);
  return {
    number: readNumber(extensions.get(EXTENSION.number), 'cRLNumber'),
    base: readNumber(extensions.get(EXTENSION.deltaBase), 'deltaCRLIndicator'),
    scope: readScope(scope?.value),
    rawScope: scope?.value,
    freshest:
      freshest === undefined
        ? []
        : readDistributionPoints(freshest.value).flatMap(({ names }) => names),
  };
}

function readNumber(extension: Extension | undefined, what: string): bigint | undefined {
  if (extension === undefined) return undefined;
  const bytes = parseIntegerBytes(readDer(extension.value, what), what);
  if (bytes.length > MAX_NUMBER_BYTES || bytes.readInt8(0) < 0) {
    throw new SyntaxError(`expected ${what} to be a number of at most 20 bytes`);
  }
  return BigInt(`0x${bytes.toString('hex')}`);
}

/** issuingDistributionPoint, RFC 5280 §5.2.5. */
function readScope(value: Buffer | undefined): ListScope {
  if (value === undefined) return { names: undefined, onlyUsers: false, onlyAuthorities: false };
  const what = 'issuingDistributionPoint';
  const fields = sequence(readDer(value, what), what);
  const name = fields.takeIf(context(0));
  const flag = (number: number): boolean => {
    const field = fields.takeIf(contextPrimitive(number));
    // BOOLEAN DEFAULT FALSE: absent, or TRUE (X.690 §11.1, §11.5).
    if (field !== undefined && !field.content.equals(Buffer.from([0xff]))) {
      throw new SyntaxError(`expected ${what} to have true or nothing`);
    }
    return field !== undefined;
  };
  const onlyUsers = flag(1);
  const onlyAuthorities = flag(2);
  const someReasons = fields.takeIf(contextPrimitive(3));
  const isIndirect = flag(4);
  const onlyAttributes = flag(5);
  fields.end();
  if (someReasons !== undefined || isIndirect || onlyAttributes) {
    throw new SyntaxError('expected a revocation list for all reasons and of its own issuer');
  }
  return { names: name && readPointName(name), onlyUsers, onlyAuthorities };
}
