/** One bundle about one artifact, outside any registry: what `countersign verify-bundle` asks. */
import { createHash } from 'node:crypto';
import type { Digest } from '../oci/digest.ts';
import { digestAlgorithm, digestHex, digestOf } from '../oci/digest.ts';
import { rejecting, type CheckContext, type Checked } from './candidate.ts';
import { verified } from './evidence.ts';
import { parseBundle } from './sigstore/bundle.ts';
import type { HashName, SignedContent, SignedMaterial } from './sigstore/material.ts';
import {
  parseStatementAbout,
  requireInToto,
  type ContentDigests,
} from './sigstore/statement-binding.ts';
import { verifyMaterial } from './sigstore/verify-material.ts';

/** A file, or content of which only the digest is known. */
export type Artifact =
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'digest'; readonly digest: Digest };

const HASHES: readonly HashName[] = ['sha256', 'sha384', 'sha512'];

/** Verifies that somebody trusted signed the artifact, or a statement about it whatever it states. */
export function verifyArtifact(
  bundle: Buffer,
  artifact: Artifact,
  context: Omit<CheckContext, 'attestations'>,
): Checked {
  return rejecting(() => {
    const material = bound(parseBundle(bundle), artifact);
    const { content } = material;
    if (content.kind === 'dsse') requireInToto(content.payloadType);
    const proven = verifyMaterial(material, { ...context, attestations: true });
    const references =
      content.kind === 'dsse'
        ? parseStatementAbout(digestsOf(artifact), content.payload).names
        : [];
    const digest = artifact.kind === 'data' ? digestOf(artifact.data) : artifact.digest;
    return verified(
      'sigstore-bundle',
      proven,
      { references },
      { foundIn: digestOf(bundle), digest },
    );
  });
}

/** The material with the artifact as what is signed. @throws {SyntaxError} when it declares another digest. */
function bound(material: SignedMaterial, artifact: Artifact): SignedMaterial {
  const { content } = material;
  if (content.kind === 'dsse') return material;
  requireDeclared(content.digest, digestsOf(artifact));
  return { ...material, content: { kind: 'message', ...contentOf(artifact) } };
}

function contentOf(artifact: Artifact): Omit<Extract<SignedContent, { kind: 'message' }>, 'kind'> {
  if (artifact.kind === 'data') return { data: artifact.data };
  const algorithm = digestAlgorithm(artifact.digest);
  return { digest: { algorithm, bytes: Buffer.from(digestHex(artifact.digest), 'hex') } };
}

function requireDeclared(
  declared: Extract<SignedContent, { kind: 'message' }>['digest'],
  digests: ContentDigests,
): void {
  if (declared === undefined) return;
  const expected = digests.get(declared.algorithm);
  if (expected === undefined) {
    throw new SyntaxError(`the bundle names a ${declared.algorithm} digest, which needs the file`);
  }
  if (expected !== declared.bytes.toString('hex')) {
    throw new SyntaxError('the bundle is about another artifact');
  }
}

function digestsOf(artifact: Artifact): ContentDigests {
  if (artifact.kind === 'digest') {
    return new Map([[digestAlgorithm(artifact.digest), digestHex(artifact.digest)]]);
  }
  return new Map(
    HASHES.map((name) => [name, createHash(name).update(artifact.data).digest('hex')]),
  );
}
