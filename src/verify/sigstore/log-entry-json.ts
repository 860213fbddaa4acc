/** Transparency-log entries as bundles carry them: sigstore/protobuf-specs sigstore_rekor.proto, in protobuf JSON. */
import type { JsonObject } from '../../oci/json.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_CHECKPOINT, MAX_ENTRY_BODY, MAX_PROOF_HASHES, MAX_SIGNATURE_TEXT } from '../bounds.ts';
import { isPresent, requireCount, requireList, requireMembers, requireText } from '../members.ts';
import type { InclusionProof, LogEntry } from './material.ts';

/** What an entry must bring: version 0.1 of the bundle a promise, later versions a proof under a checkpoint. */
export type EntryDemand = 'promise' | 'proof';

/** Characters of base64 for so many bytes. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** @throws {SyntaxError} saying what is missing or malformed. */
export function parseLogEntry(value: unknown, demand: EntryDemand): LogEntry {
  const entry = requireMembers(value, 'a log entry', [
    'logIndex',
    'logId',
    'kindVersion',
    'integratedTime',
    'inclusionPromise',
    'inclusionProof',
    'canonicalizedBody',
  ]);
  const logId = requireMembers(entry['logId'], 'logId', ['keyId']);
  const kind = requireMembers(entry['kindVersion'], 'kindVersion', ['kind', 'version']);
  const promise = parsePromise(entry);
  const proof = parseProof(entry);
  if (demand === 'promise' && promise === undefined) {
    throw new SyntaxError('expected the log entry to have an inclusion promise');
  }
  if (demand === 'proof' && proof?.checkpoint === undefined) {
    throw new SyntaxError('expected the log entry to have an inclusion proof with a checkpoint');
  }
  return {
    logId: parseBase64(logId['keyId'], 'the key id of the log', 128).toString('hex'),
    index: requireCount(entry['logIndex'], 'logIndex'),
    kind: requireText(kind['kind'], 'the kind of the log entry', 64),
    version: requireText(kind['version'], 'the version of the log entry', 64),
    integratedTime: parseTime(entry['integratedTime']),
    body: parseBase64(
      entry['canonicalizedBody'],
      'the body of the log entry',
      base64Length(MAX_ENTRY_BODY),
    ),
    ...(promise === undefined ? {} : { promise }),
    ...(proof === undefined ? {} : { proof }),
  };
}

/** Seconds; zero is how protobuf says none. @throws {SyntaxError} for times that no clock shows. */
export function parseTime(value: unknown): number | undefined {
  const seconds = Number(requireCount(value, 'integratedTime'));
  // ECMA-262 §21.4.1.1: the last moment that a Date can hold.
  if (seconds > 8.64e12) throw new SyntaxError('expected integratedTime to be a time');
  return seconds === 0 ? undefined : seconds;
}

function parsePromise(entry: JsonObject): Buffer | undefined {
  if (!isPresent(entry['inclusionPromise'])) return undefined;
  const promise = requireMembers(entry['inclusionPromise'], 'inclusionPromise', [
    'signedEntryTimestamp',
  ]);
  return parseBase64(
    promise['signedEntryTimestamp'],
    'the signed entry timestamp',
    MAX_SIGNATURE_TEXT,
  );
}

function parseProof(entry: JsonObject): InclusionProof | undefined {
  if (!isPresent(entry['inclusionProof'])) return undefined;
  const proof = requireMembers(entry['inclusionProof'], 'inclusionProof', [
    'logIndex',
    'rootHash',
    'treeSize',
    'hashes',
    'checkpoint',
  ]);
  const hashes = requireList(
    proof['hashes'],
    'the hashes of the inclusion proof',
    MAX_PROOF_HASHES,
  );
  return {
    index: requireCount(proof['logIndex'], 'logIndex of the inclusion proof'),
    treeSize: requireCount(proof['treeSize'], 'treeSize'),
    rootHash: parseBase64(proof['rootHash'], 'rootHash', 128),
    hashes: hashes.map((hash) => parseBase64(hash, 'a hash of the inclusion proof', 128)),
    checkpoint: parseCheckpoint(proof['checkpoint']),
  };
}

function parseCheckpoint(value: unknown): string | undefined {
  if (!isPresent(value)) return undefined;
  const { envelope } = requireMembers(value, 'checkpoint', ['envelope']);
  return isPresent(envelope) && envelope !== ''
    ? requireText(envelope, 'the checkpoint', MAX_CHECKPOINT)
    : undefined;
}
