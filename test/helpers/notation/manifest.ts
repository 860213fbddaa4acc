/** Signature manifests of Notation, in the two forms that are specified, and where they are put. */
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_EMPTY, OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { Target } from '../../../src/verify/notation/target.ts';
import type { FakeContent } from '../fake-registry-content.ts';

export const NOTATION_TYPE = 'application/vnd.cncf.notary.signature';

export interface ManifestOptions {
  /** JWS unless told. */
  readonly envelopeType?: string;
  /** Whether its config's type says what it is, as before OCI 1.1; no unless told. */
  readonly legacy?: boolean;
  /** Laid over the manifest. */
  readonly changes?: object;
}

export function signatureManifest(
  envelope: Buffer,
  target: Target,
  options: ManifestOptions = {},
): object {
  const { envelopeType = 'application/jose+json', legacy = false, changes } = options;
  const { mediaType, digest, size } = target;
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    ...(legacy ? {} : { artifactType: NOTATION_TYPE }),
    config: {
      mediaType: legacy ? NOTATION_TYPE : OCI_EMPTY,
      digest: digestOf(Buffer.from('{}')),
      size: 2,
    },
    layers: [{ mediaType: envelopeType, digest: digestOf(envelope), size: envelope.length }],
    subject: { mediaType, digest, size },
    annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': '[]' },
    ...changes,
  };
}

/** Puts an envelope as a referrer of its target. */
export function putNotation(
  registry: FakeContent,
  repository: string,
  envelope: Buffer,
  target: Target,
  options: ManifestOptions = {},
): Digest {
  registry.putBlob(repository, '{}');
  registry.putBlob(repository, envelope);
  return registry.putManifest(repository, signatureManifest(envelope, target, options)).digest;
}
