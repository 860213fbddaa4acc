/** Layers of signature manifests: `.sig` and `.att` with their annotations, and bundles; and where they are put. */
import { digestHex, type Digest } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { Candidate } from '../../../src/verify/candidate.ts';
import type { FakeContent } from '../fake-registry-content.ts';
import { digestOfText, putBundle, SIMPLE_LAYER } from '../signer.ts';
import { BUNDLE_TYPES, bundleOf, type BundleOptions } from './bundle.ts';
import type { SignedEnvelope, SignedMessage } from './signed.ts';
import type { EntryJson } from './transparency-log.ts';

export interface SignatureLayer {
  readonly mediaType: string;
  readonly content: Buffer;
  readonly annotations: Readonly<Record<string, string>>;
}

export const ENVELOPE_LAYER = 'application/vnd.dsse.envelope.v1+json';

/** What cosign 2 puts into a `.sig`; `changes` replace annotations, and `undefined` takes one away. */
export function simpleLayer(
  signed: SignedMessage,
  changes: Readonly<Record<string, string | undefined>> = {},
): SignatureLayer {
  return {
    mediaType: SIMPLE_LAYER,
    content: signed.data,
    annotations: changed(annotationsOf(signed, signed.signature.toString('base64')), changes),
  };
}

/** What cosign 2 puts into an `.att`. */
export function attestationLayer(
  signed: SignedEnvelope,
  changes: Readonly<Record<string, string | undefined>> = {},
): SignatureLayer {
  const annotations = { predicateType: predicateTypeOf(signed), ...annotationsOf(signed, '') };
  return {
    mediaType: ENVELOPE_LAYER,
    content: signed.envelope.bytes,
    annotations: changed(annotations, changes),
  };
}

/** The one layer of a bundle's manifest. */
export function bundleLayer(
  signed: SignedMessage | SignedEnvelope,
  options: BundleOptions = {},
): SignatureLayer {
  return {
    mediaType: BUNDLE_TYPES[options.version ?? '0.3'],
    content: Buffer.from(JSON.stringify(bundleOf(signed, options))),
    annotations: {},
  };
}

/** A layer as discovery hands it on. */
export function candidateOf(layer: SignatureLayer, place = 'a test'): Candidate {
  return { place, foundIn: digestOfText(place), ...layer };
}

/** The Rekor bundle of an annotation. */
export function entryAnnotation(entry: EntryJson): string {
  return JSON.stringify({
    SignedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp,
    Payload: {
      body: entry.canonicalizedBody,
      integratedTime: Number(entry.integratedTime),
      logIndex: Number(entry.logIndex),
      logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
    },
  });
}

function annotationsOf(
  { verifier, entries, timestamps }: SignedMessage | SignedEnvelope,
  signature: string,
): Record<string, string> {
  const [entry] = entries;
  const [stamp] = timestamps;
  const SignedRFC3161Timestamp = stamp?.toString('base64');
  return {
    'dev.cosignproject.cosign/signature': signature,
    ...('key' in verifier
      ? {
          'dev.sigstore.cosign/certificate': verifier.pem,
          'dev.sigstore.cosign/chain': verifier.chainPem,
        }
      : {}),
    ...(entry === undefined ? {} : { 'dev.sigstore.cosign/bundle': entryAnnotation(entry) }),
    ...(stamp === undefined
      ? {}
      : { 'dev.sigstore.cosign/rfc3161timestamp': JSON.stringify({ SignedRFC3161Timestamp }) }),
  };
}

function changed(
  annotations: Record<string, string>,
  changes: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries({ ...annotations, ...changes }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}

function predicateTypeOf({ envelope }: SignedEnvelope): string {
  const statement: unknown = JSON.parse(envelope.payload.toString());
  const type = statement instanceof Object && 'predicateType' in statement;
  return type ? String(statement.predicateType) : '';
}

/** An image that is signed, as referrers name it. */
export interface Signee {
  readonly digest: Digest;
  readonly size: number;
}

/** Puts layers under the tag `sha256-<hex>.sig` or `.att`. */
export function putTagged(
  registry: FakeContent,
  repository: string,
  subject: Digest,
  suffix: 'sig' | 'att',
  ...layers: readonly SignatureLayer[]
): Digest {
  const tag = `sha256-${digestHex(subject)}.${suffix}`;
  return registry.putManifest(repository, manifestOf(registry, repository, layers), { tag }).digest;
}

/** Puts layers as the experimental OCI 1.1 mode of cosign 2 does: a referrer that its config's type names. */
export function putExperimental(
  registry: FakeContent,
  repository: string,
  subject: Signee,
  ...layers: readonly SignatureLayer[]
): Digest {
  const manifest = manifestOf(registry, repository, layers);
  const mediaType = 'application/vnd.dev.cosign.artifact.sig.v1+json';
  return registry.putManifest(repository, {
    ...manifest,
    config: { ...manifest.config, mediaType },
    subject: { mediaType: OCI_MANIFEST, ...subject },
  }).digest;
}

/** Puts a bundle as a referrer; older versions of bundles are named by their type. */
export function putBundleOf(
  registry: FakeContent,
  repository: string,
  subject: Signee,
  signed: SignedMessage | SignedEnvelope,
  options: BundleOptions = {},
): Digest {
  const bundle = bundleOf(signed, options);
  const mediaType = BUNDLE_TYPES[options.version ?? '0.3'];
  if (mediaType === BUNDLE_TYPES['0.3']) return putBundle(registry, repository, subject, bundle);
  const content = Buffer.from(JSON.stringify(bundle));
  const digest = registry.putBlob(repository, content);
  return putBundle(registry, repository, subject, bundle, {
    artifactType: mediaType,
    layers: [{ mediaType, digest, size: content.length }],
  });
}

function manifestOf(registry: FakeContent, repository: string, layers: readonly SignatureLayer[]) {
  const config = Buffer.from('{"rootfs":{"type":"layers"}}');
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: registry.putBlob(repository, config),
      size: config.length,
    },
    layers: layers.map(({ mediaType, content, annotations }) => ({
      mediaType,
      digest: registry.putBlob(repository, content),
      size: content.length,
      annotations,
    })),
  };
}
