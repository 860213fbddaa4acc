/** The image that the signatures of these tests are about, and the one way to see a refusal. */
import type { Test } from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { Target } from '../../../src/verify/notation/target.ts';

export const target: Target = {
  mediaType: OCI_MANIFEST,
  digest: digestOf(Buffer.from('an image')),
  size: 8,
};

/** What is refused is a SyntaxError that says why. */
export function refuses(t: Test, act: () => unknown, message: RegExp): void {
  t.throws(act, { name: 'SyntaxError', message });
}
