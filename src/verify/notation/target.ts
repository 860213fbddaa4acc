/** What a Notation signature is about: the payload's `targetArtifact` (signature-specification.md "Payload"). */
import { parseDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { parseJson, refuseLookalikeMembers } from '../../oci/json.ts';
import { requireObject } from '../members.ts';

/** The manifest that is asked about, by what was served and hashed here. */
export type Target = Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;

const MEMBERS = new Set(['targetArtifact']);

/**
 * Checks that the payload is about the target.
 * @returns the annotations that were signed along: the user metadata.
 * @throws {SyntaxError} for a payload that cannot be read, or is about something else.
 */
export function requireTarget(payload: Buffer, target: Target): ReadonlyMap<string, string> {
  const content = requireObject(parseJson(payload), 'the payload');
  refuseLookalikeMembers(content, MEMBERS);
  const signed = parseDescriptor(content['targetArtifact']);
  requireSame(signed, target, 'it signs');
  return new Map(Object.entries(signed.annotations ?? {}));
}

/**
 * Digest alone is not enough: under another media type the same bytes may be read as something else.
 * @throws {SyntaxError} that begins with `what`.
 */
export function requireSame(claimed: Target, target: Target, what: string): void {
  if (claimed.digest !== target.digest) {
    throw new SyntaxError(`${what} ${claimed.digest}, not this image`);
  }
  if (claimed.size !== target.size) {
    throw new SyntaxError(`${what} ${claimed.size} bytes, this image has ${target.size}`);
  }
  if (claimed.mediaType !== target.mediaType) {
    throw new SyntaxError(`${what} a ${claimed.mediaType}, this image is a ${target.mediaType}`);
  }
}
