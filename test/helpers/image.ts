/** Small images on a fake registry. */
import type { Digest } from '../../src/oci/digest.ts';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import type { FakeContent } from './fake-registry-content.ts';

export interface PutImage {
  readonly digest: Digest;
  /** Bytes of the manifest. */
  readonly size: number;
  readonly config: Digest;
  readonly layers: readonly Digest[];
}

export interface ImageOptions {
  readonly tag?: string;
  /** Contents of the layers; one small layer unless told. */
  readonly layers?: readonly Buffer[];
  readonly docker?: boolean;
  /** Laid over the manifest. */
  readonly changes?: object;
}

/** Puts an image whose content differs with `name`. */
export function putImage(
  registry: FakeContent,
  repository: string,
  name: string,
  options: ImageOptions = {},
): PutImage {
  const configBytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', name }));
  const config = registry.putBlob(repository, configBytes);
  const contents = options.layers ?? [Buffer.from(`layer of ${name}`)];
  const layers = contents.map((bytes) => registry.putBlob(repository, bytes));
  const kind = options.docker === true ? 'application/vnd.docker' : 'application/vnd.oci';
  const manifest = {
    schemaVersion: 2,
    mediaType: options.docker === true ? DOCKER_MANIFEST : OCI_MANIFEST,
    config: { mediaType: `${kind}.image.config.v1+json`, digest: config, size: configBytes.length },
    layers: contents.map((bytes, index) => ({
      mediaType: `${kind}.image.layer.v1.tar+gzip`,
      digest: layers[index],
      size: bytes.length,
    })),
    ...options.changes,
  };
  const { digest } = registry.putManifest(repository, manifest, {
    ...(options.tag === undefined ? {} : { tag: options.tag }),
    mediaType: manifest.mediaType,
  });
  return { digest, size: Buffer.byteLength(JSON.stringify(manifest)), config, layers };
}

/** Puts an index over images. */
export function putIndex(
  registry: FakeContent,
  repository: string,
  children: readonly PutImage[],
  options: { readonly tag?: string } = {},
): { readonly digest: Digest; readonly size: number } {
  const architectures = ['amd64', 'arm64', 's390x'];
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: children.map(({ digest, size }, at) => ({
      mediaType: OCI_MANIFEST,
      digest,
      size,
      platform: { os: 'linux', architecture: architectures[at] ?? 'riscv64' },
    })),
  };
  const { digest } = registry.putManifest(repository, index, options);
  return { digest, size: Buffer.byteLength(JSON.stringify(index)) };
}
