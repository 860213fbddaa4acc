/** Manifests that carry Notation signatures (signature-specification.md "Storage"). */
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { OCI_EMPTY, OCI_MANIFEST } from '../../oci/media-type.ts';
import { requireSame, type Target } from './target.ts';

export const NOTATION_SIGNATURE = 'application/vnd.cncf.notary.signature';
export const JWS_TYPE = 'application/jose+json';
export const COSE_TYPE = 'application/cose';

/** Whether the manifest says that it carries a Notation signature; whether it keeps to the form is another question. */
export function claimsNotation(manifest: Manifest): boolean {
  return (
    manifest.kind === 'image' &&
    [manifest.artifactType, manifest.config.mediaType].includes(NOTATION_SIGNATURE)
  );
}

/**
 * The one layer of a signature manifest about the target: the envelope.
 * @throws {SyntaxError} for other shapes than the two that are specified, and for another subject.
 */
export function requireEnvelopeLayer(manifest: Manifest, target: Target): Descriptor {
  if (manifest.kind !== 'image' || manifest.mediaType !== OCI_MANIFEST) {
    throw new SyntaxError(`expected a signature in an ${OCI_MANIFEST}, got ${manifest.mediaType}`);
  }
  const { artifactType, config, layers, subject } = manifest;
  // With an artifact type the config is empty; before there were artifact types, the config's type was it.
  const [type, configType] =
    artifactType === undefined ? [config.mediaType, config.mediaType] : [artifactType, OCI_EMPTY];
  if (type !== NOTATION_SIGNATURE || config.mediaType !== configType) {
    throw new SyntaxError(
      `expected a signature manifest, got artifact type ${artifactType ?? 'none'} with config ${config.mediaType}`,
    );
  }
  if (subject === undefined) throw new SyntaxError('expected a signature manifest with a subject');
  requireSame(subject, target, 'its subject is');
  const [layer, ...others] = layers;
  if (layer === undefined || others.length > 0) {
    throw new SyntaxError(`expected 1 layer of a signature manifest, got ${layers.length}`);
  }
  if (layer.mediaType !== JWS_TYPE && layer.mediaType !== COSE_TYPE) {
    throw new SyntaxError(`expected ${JWS_TYPE} or ${COSE_TYPE}, got ${layer.mediaType}`);
  }
  return layer;
}
