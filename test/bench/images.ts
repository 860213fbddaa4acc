/** Signed images in a registry: layers of any size, a manifest, and a signature by a key under its `.sig` tag. */
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { pushBlob, pushManifest, type RegistryAccess } from '../e2e/lab/registry-client.ts';
import { SIMPLE_LAYER, simplePayload, type Signer } from '../helpers/signer.ts';

export const OCI = 'application/vnd.oci.image';
export const MANIFEST = `${OCI}.manifest.v1+json`;
export const ACCEPT = { accept: MANIFEST };

export interface PushedImage {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly config: string;
  readonly layers: readonly string[];
}

export interface ImageToPush {
  readonly registry: RegistryAccess;
  readonly repository: string;
  readonly tag: string;
  /** Bytes of each layer. */
  readonly layers: readonly number[];
  /** Nobody signs where there is none. */
  readonly signer: Signer | undefined;
}

export async function pushSignedImage(image: ImageToPush): Promise<PushedImage> {
  const { registry, repository, tag, signer } = image;
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', tag }));
  const layers: { mediaType: string; digest: string; size: number }[] = [];
  for (const [index, size] of image.layers.entries()) {
    const digest = await pushBlob(registry, repository, contentOf(size, `${tag} ${index}`));
    layers.push({ mediaType: `${OCI}.layer.v1.tar`, digest, size });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: `${OCI}.config.v1+json`,
      digest: await pushBlob(registry, repository, config),
      size: config.length,
    },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  await pushManifest(registry, repository, tag, bytes, MANIFEST);
  if (signer !== undefined) await pushSignature(registry, repository, digest, signer);
  const { config: named } = manifest;
  return {
    repository,
    tag,
    digest,
    config: named.digest,
    layers: layers.map((layer) => layer.digest),
  };
}

async function pushSignature(
  registry: RegistryAccess,
  repository: string,
  subject: Digest,
  signer: Signer,
): Promise<void> {
  const payload = simplePayload(subject);
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: `${OCI}.config.v1+json`,
      digest: await pushBlob(registry, repository, Buffer.from('{}')),
      size: 2,
    },
    layers: [
      {
        mediaType: SIMPLE_LAYER,
        digest: await pushBlob(registry, repository, payload),
        size: payload.length,
        annotations: {
          'dev.cosignproject.cosign/signature': signer.sign(payload).toString('base64'),
        },
      },
    ],
  };
  const tag = `${subject.replace(':', '-')}.sig`;
  await pushManifest(registry, repository, tag, Buffer.from(JSON.stringify(manifest)), MANIFEST);
}

/** Content that differs with its name; nothing here compresses, so that it may repeat itself. */
function contentOf(size: number, name: string): Buffer {
  const bytes = Buffer.alloc(size, 'countersign ');
  bytes.write(name.slice(0, size));
  return bytes;
}
