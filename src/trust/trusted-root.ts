/** Sigstore's `trusted_root.json` (sigstore/protobuf-specs, sigstore_trustroot.proto), validated when it is loaded. */
import { parseJson } from '../oci/json.ts';
import { parseCertificate, MAX_CERTIFICATE, type Certificate } from './certificate.ts';
import { findAuthorityFlaw, findTimestampFlaw, MAX_CHAIN, type ChainFlaw } from './chain.ts';
import { keyHashId, noteKeyId, originOf, readLogKey } from './log-key.ts';
import { fail, findBytes, findText, findTime, itemsOf, membersOf, type Place } from './place.ts';
import type { CertificateAuthority, LogKey, SigstoreAuthorities, Validity } from './trust-root.ts';

/** Bytes of one `trusted_root.json`. */
export const MAX_TRUSTED_ROOT = 1024 * 1024;
/** Authorities of each of the two kinds. */
const MAX_AUTHORITIES = 64;
/** Logs of each of the two kinds. */
const MAX_LOGS = 64;
const MAX_KEY = 8192;
const MAX_TEXT = 1024;
/** SHA-256, whole or as signed notes cut it. */
const ID_BYTES = { whole: 32, note: 4 };

const MEDIA_TYPES: ReadonlySet<unknown> = new Set([
  'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  'application/vnd.dev.sigstore.trustedroot.v0.2+json',
]);

type LogKind = 'tlogs' | 'ctlogs';
type FindFlaw = (chain: readonly Certificate[]) => ChainFlaw | undefined;

/**
 * Reads a trusted root.
 * @throws {SyntaxError} with the place of the first mistake: `tlogs[1].publicKey.validFor.start: expected …`.
 */
export function parseTrustedRoot(bytes: Uint8Array): SigstoreAuthorities {
  if (bytes.length > MAX_TRUSTED_ROOT) {
    throw new SyntaxError('expected a trusted root of at most 1 MiB');
  }
  const root = membersOf({ path: '', value: parseJson(bytes) }, [
    'mediaType',
    'tlogs',
    'certificateAuthorities',
    'ctlogs',
    'timestampAuthorities',
  ]);
  if (!MEDIA_TYPES.has(root.mediaType.value)) {
    fail(root.mediaType.path, 'expected that of a Sigstore trusted root of version 0.1 or 0.2');
  }
  const authorities: SigstoreAuthorities = {
    certificateAuthorities: readAuthorities(root.certificateAuthorities, findAuthorityFlaw),
    timestampAuthorities: readAuthorities(root.timestampAuthorities, findTimestampFlaw),
    transparencyLogs: readLogs(root.tlogs, 'tlogs'),
    certificateLogs: readLogs(root.ctlogs, 'ctlogs'),
  };
  if (Object.values(authorities).every((list: readonly unknown[]) => list.length === 0)) {
    throw new SyntaxError('expected at least one authority or log');
  }
  return authorities;
}

function readAuthorities(list: Place, findFlaw: FindFlaw): readonly CertificateAuthority[] {
  return itemsOf(list, MAX_AUTHORITIES).map((item) => {
    const { subject, uri, certChain, validFor } = membersOf(item, [
      'subject',
      'uri',
      'certChain',
      'validFor',
    ]);
    const url = findText(uri, MAX_TEXT);
    const commonName = findCommonName(subject);
    const chain = readChain(certChain, findFlaw);
    return {
      name: (url === undefined ? commonName : originOf(url)) ?? chain[0]?.subject ?? '',
      chain,
      validity: readValidity(validFor),
    };
  });
}

function findCommonName(subject: Place): string | undefined {
  if (subject.value === undefined) return undefined;
  return findText(membersOf(subject, ['commonName']).commonName, MAX_TEXT);
}

function readChain(place: Place, findFlaw: FindFlaw): readonly Certificate[] {
  const { certificates } = membersOf(place, ['certificates']);
  const items = itemsOf(certificates, MAX_CHAIN);
  const chain = items.map((item) => {
    const { rawBytes } = membersOf(item, ['rawBytes']);
    const der = findBytes(rawBytes, MAX_CERTIFICATE);
    if (der === undefined) return fail(rawBytes.path, 'expected a certificate');
    return at(rawBytes.path, () => parseCertificate(der));
  });
  const flaw = findFlaw(chain);
  if (flaw !== undefined) fail(items[flaw.index]?.path ?? certificates.path, flaw.message);
  return chain;
}

function readLogs(list: Place, kind: LogKind): readonly LogKey[] {
  const seen = new Map<string, string>();
  return itemsOf(list, MAX_LOGS).map((item) => {
    const log = readLog(item, kind);
    const other = seen.get(log.id);
    // An entry names its log by this id alone.
    if (other !== undefined)
      fail(`${item.path}.logId`, `expected an id of its own, ${other} has it`);
    seen.set(log.id, item.path);
    return log;
  });
}

function readLog(item: Place, kind: LogKind): LogKey {
  const { baseUrl, hashAlgorithm, publicKey, logId, checkpointKeyId, operator } = membersOf(item, [
    'baseUrl',
    'hashAlgorithm',
    'publicKey',
    'logId',
    'checkpointKeyId',
    'operator',
  ]);
  const origin = originOf(findText(baseUrl, MAX_TEXT) ?? '');
  if (origin === '' && kind === 'tlogs') {
    fail(baseUrl.path, 'expected the URL of the log: its checkpoints are bound to it');
  }
  // RFC 6962 §2.1 and Rekor: every tree that we can check is one of SHA-256.
  if (hashAlgorithm.value !== 'SHA2_256') {
    fail(hashAlgorithm.path, `expected SHA2_256, got ${nameOf(hashAlgorithm.value)}`);
  }
  const { rawBytes, keyDetails, validFor } = membersOf(publicKey, [
    'rawBytes',
    'keyDetails',
    'validFor',
  ]);
  const raw = findBytes(rawBytes, MAX_KEY) ?? fail(rawBytes.path, 'expected a public key');
  const details =
    findText(keyDetails, MAX_TEXT) ?? fail(keyDetails.path, 'expected the kind of the key');
  const key = at(publicKey.path, () => readLogKey(raw, details, origin));
  const isNote = kind === 'tlogs' && key.algorithm === 'ed25519';
  const checkpointId = findKeyId(checkpointKeyId, [ID_BYTES.note, ID_BYTES.whole]);
  const id =
    findKeyId(logId, kind === 'tlogs' ? [ID_BYTES.whole, ID_BYTES.note] : [ID_BYTES.whole]) ??
    (isNote ? noteKeyId(key, origin) : keyHashId(key));
  const operatorName = findText(operator, MAX_TEXT);
  return {
    id,
    checkpointId: checkpointId ?? id,
    origin: origin === '' ? id : origin,
    key,
    validity: readValidity(validFor),
    ...(operatorName === undefined ? {} : { operator: operatorName }),
  };
}

function findKeyId(place: Place, lengths: readonly number[]): string | undefined {
  if (place.value === undefined) return undefined;
  const { keyId } = membersOf(place, ['keyId']);
  const bytes = findBytes(keyId, ID_BYTES.whole);
  if (bytes === undefined || !lengths.includes(bytes.length)) {
    return fail(keyId.path, `expected ${lengths.join(' or ')} bytes, got ${bytes?.length ?? 0}`);
  }
  return bytes.toString('hex');
}

function readValidity(place: Place): Validity {
  if (place.value === undefined) return fail(`${place.path}.start`, 'expected a time, got nothing');
  const { start, end } = membersOf(place, ['start', 'end']);
  // Without a start a key would have been good for all of the past: sigstore-conformance, missing-validity-start.
  const from = findTime(start) ?? fail(start.path, 'expected a time, got nothing');
  const until = findTime(end) ?? Infinity;
  if (until < from) fail(end.path, 'expected an end that is not before the start');
  return { start: from, end: until };
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : 'nothing known';
}

/** What cannot be read at a place is said with the place. */
function at<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${path}: ${error.message}`, { cause: error });
  }
}
