/** Notation as discovery meets it: a signature manifest with its envelope becomes facts, or a reason why not. */
import type { Manifest } from '../../oci/manifest.ts';
import type { NotationFacts } from '../../policy/notation-facts.ts';
import type { NotationRoot } from '../../trust/notation-root.ts';
import { checkNotation, type NotationContext } from './check-signature.ts';
import { requireEnvelopeLayer } from './manifest.ts';
import type { Target } from './target.ts';

/** A signature as found. Everything in it is a stranger's claim. */
export interface FoundSignature {
  readonly manifest: Manifest;
  /** Content of its layer, proven against the layer's digest. */
  readonly content: Buffer;
}

export type NotationOutcome =
  | { readonly outcome: 'verified'; readonly facts: NotationFacts }
  /** Its integrity does not hold, which no level of verification lets pass. */
  | { readonly outcome: 'rejected'; readonly reason: string };

/** Checks one signature under one root. Bad content is an outcome and never thrown. */
export async function verifyNotation(
  { manifest, content }: FoundSignature,
  target: Target,
  root: NotationRoot,
  context: NotationContext,
): Promise<NotationOutcome> {
  try {
    const { mediaType } = requireEnvelopeLayer(manifest, target);
    const envelope = { mediaType, bytes: content };
    return { outcome: 'verified', facts: await checkNotation(envelope, target, root, context) };
  } catch (error) {
    // A library's own error on hostile bytes is no reason to fall over, and none to admit (CVE-2026-39395).
    const reason = error instanceof SyntaxError ? error.message : 'the signature could not be read';
    return { outcome: 'rejected', reason };
  }
}
