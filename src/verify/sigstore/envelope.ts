/** DSSE envelopes (secure-systems-lab/dsse envelope.md), in a bundle or as a legacy attestation by themselves. */
import type { JsonObject } from '../../oci/json.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_ATTESTATION_CONTENT, MAX_SIGNATURE_TEXT } from '../bounds.ts';
import { requireList, requireMembers, requireText } from '../members.ts';
import { base64Length } from './log-entry-json.ts';

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** @throws {SyntaxError} for more or fewer than one signature: with several, who signed depends on the reader. */
export function parseEnvelope(value: JsonObject): Envelope {
  const envelope = requireMembers(value, 'the envelope', ['payload', 'payloadType', 'signatures']);
  const [only, ...more] = requireList(envelope['signatures'], 'signatures', 64);
  if (only === undefined || more.length > 0) {
    throw new SyntaxError('expected exactly one signature in the envelope');
  }
  const signature = requireMembers(only, 'the signature', ['sig', 'keyid']);
  return {
    payloadType: requireText(envelope['payloadType'], 'payloadType', 256),
    payload: parseBase64(envelope['payload'], 'the payload', base64Length(MAX_ATTESTATION_CONTENT)),
    signature: parseBase64(signature['sig'], 'the signature', MAX_SIGNATURE_TEXT),
  };
}
