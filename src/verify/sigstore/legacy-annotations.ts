/**
 * What stands beside a legacy `.sig` or `.att` layer, in its annotations: certificate, chain, the log's promise, a
 * timestamp (cosign SIGNATURE_SPEC "Properties"; the names are those that cosign writes).
 */
import { isJsonObject, parseJson, parseJsonText } from '../../oci/json.ts';
import { MAX_CERTIFICATE, parseCertificate } from '../../trust/certificate.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_CHAIN, MAX_ENTRY_BODY, MAX_SIGNATURE_TEXT, MAX_TIMESTAMP } from '../bounds.ts';
import { requireCount, requireMembers, requireText } from '../members.ts';
import { base64Length, parseTime } from './log-entry-json.ts';
import type { LogEntry, SignedMaterial } from './material.ts';

const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const CHAIN = 'dev.sigstore.cosign/chain';
const BUNDLE = 'dev.sigstore.cosign/bundle';
const TIMESTAMP = 'dev.sigstore.cosign/rfc3161timestamp';

/** Characters of an annotation. */
const MAX_ANNOTATION = 512 * 1024;
/** Characters of one certificate's PEM. */
const MAX_PEM = base64Length(MAX_CERTIFICATE) + 4096;
const HEX = /^[0-9a-f]{64}$/;

type Annotations = Readonly<Record<string, string>>;

/** @throws {SyntaxError} naming the annotation that cannot be read. An empty one is as none: cosign writes both. */
export function readAnnotations(
  annotations: Annotations,
): Pick<SignedMaterial, 'verifier' | 'entries' | 'timestamps'> {
  return {
    verifier: readVerifier(annotations),
    entries: readEach(annotations, BUNDLE, readPromise),
    timestamps: readEach(annotations, TIMESTAMP, readTimestamp),
  };
}

function readEach<T>(
  annotations: Annotations,
  name: string,
  read: (text: string) => T,
): readonly T[] {
  const text = annotations[name] ?? '';
  if (text === '') return [];
  try {
    return [read(requireText(text, 'it', MAX_ANNOTATION))];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`annotation ${name}: ${error.message}`, { cause: error });
  }
}

function readVerifier(annotations: Annotations): SignedMaterial['verifier'] {
  const [own] = readEach(annotations, CERTIFICATE, readPem);
  if (own === undefined) return { kind: 'key' };
  const [leaf, ...rest] = own;
  if (leaf === undefined) throw new SyntaxError(`expected annotation ${CERTIFICATE} to hold one`);
  const chain = [...rest, ...readEach(annotations, CHAIN, readPem).flat()];
  if (chain.length >= MAX_CHAIN) {
    throw new SyntaxError(`expected at most ${MAX_CHAIN} certificates, got ${chain.length + 1}`);
  }
  // cosign writes the whole chain. A root from here would prove nothing: roots come from the trusted root.
  return { kind: 'certificate', leaf, chain: chain.filter((der) => !isRoot(der)) };
}

function isRoot(der: Buffer): boolean {
  const { rawSubject, rawIssuer } = parseCertificate(der);
  return rawSubject.equals(rawIssuer);
}

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** RFC 7468 §5: the blocks and nothing but space around them. */
function readPem(text: string): readonly Buffer[] {
  const [before = '', ...blocks] = text.split(BEGIN);
  if (before.trim() !== '' || blocks.length === 0 || blocks.length > MAX_CHAIN) {
    throw new SyntaxError(`expected 1 to ${MAX_CHAIN} PEM certificates`);
  }
  return blocks.map((block) => {
    const [body = '', after = 'missing', ...more] = block.split(END);
    if (after.trim() !== '' || more.length > 0) {
      throw new SyntaxError('expected every PEM certificate to have its END line');
    }
    return parseBase64(body.replaceAll(/[\r\n\t ]/g, ''), 'a certificate', MAX_PEM);
  });
}

/** The log's promise, in the shape of Rekor's first version. Its kind stands in the body alone. */
function readPromise(text: string): LogEntry {
  const bundle = requireMembers(parseJsonText(text), 'it', ['SignedEntryTimestamp', 'Payload']);
  const payload = requireMembers(bundle['Payload'], 'Payload', [
    'body',
    'integratedTime',
    'logIndex',
    'logID',
  ]);
  const logId = payload['logID'];
  if (typeof logId !== 'string' || !HEX.test(logId)) {
    throw new SyntaxError('expected logID to be 64 hexadecimal characters');
  }
  const body = parseBase64(
    payload['body'],
    'the body of the log entry',
    base64Length(MAX_ENTRY_BODY),
  );
  return {
    logId,
    index: requireCount(payload['logIndex'], 'logIndex'),
    ...kindOf(body),
    integratedTime: parseTime(payload['integratedTime']),
    body,
    promise: parseBase64(
      bundle['SignedEntryTimestamp'],
      'the signed entry timestamp',
      MAX_SIGNATURE_TEXT,
    ),
  };
}

function kindOf(body: Buffer): Pick<LogEntry, 'kind' | 'version'> {
  const json = parseJson(body);
  if (!isJsonObject(json))
    throw new SyntaxError('expected the body of the log entry to be an object');
  return {
    kind: requireText(json['kind'], 'the kind of the log entry', 64),
    version: requireText(json['apiVersion'], 'the version of the log entry', 64),
  };
}

function readTimestamp(text: string): Buffer {
  const { SignedRFC3161Timestamp } = requireMembers(parseJsonText(text), 'it', [
    'SignedRFC3161Timestamp',
  ]);
  return parseBase64(SignedRFC3161Timestamp, 'the timestamp', base64Length(MAX_TIMESTAMP));
}
