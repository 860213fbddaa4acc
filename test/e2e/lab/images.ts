/** Builds small runnable images from nothing but a static busybox, without any network. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { writeTar } from './tar.ts';
import { toolPath } from './tools.ts';

export interface Content {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** A manifest with all that it needs to be pulled. */
export interface Image extends Content {
  readonly mediaType: string;
  /** What its container prints. */
  readonly greeting: string;
  /** Configuration and layers, those of the children too. */
  readonly blobs: readonly Content[];
  readonly children: readonly Image[];
  readonly architecture: string;
}

/** Whose media types a manifest uses; `bare` is OCI without a `mediaType` of its own, as umoci writes. */
export type Dialect = 'oci' | 'docker' | 'bare';

const mediaTypes = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
    index: 'application/vnd.oci.image.index.v1+json',
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  },
} as const;

/** The architecture of this machine, in the words of images. */
export const ownArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** An image for one architecture; no two names share a layer, so that no store can help out. */
export function buildImage(
  name: string,
  dialect: Dialect = 'oci',
  architecture = ownArchitecture,
  /** Bytes that its first layer is larger than it must be. */
  padding = 0,
): Image {
  const types = mediaTypes[dialect === 'docker' ? 'docker' : 'oci'];
  const greeting = `hello from ${name} on ${architecture}`;
  const layers = [
    writeTar([
      { path: 'bin/' },
      { path: 'bin/busybox', content: readFileSync(toolPath('busybox')), mode: 0o755 },
      { path: 'name', content: Buffer.from(`${name} ${architecture}\n`) },
      ...(padding === 0 ? [] : [{ path: 'noise', content: randomBytes(padding) }]),
    ]),
    writeTar([{ path: 'greeting', content: Buffer.from(`${greeting}\n`) }]),
  ];
  const created = '2023-11-14T22:13:20Z';
  const config = content(
    JSON.stringify({
      created,
      architecture,
      os: 'linux',
      config: { Cmd: ['/bin/busybox', 'cat', '/greeting'], WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
      history: layers.map(() => ({ created, created_by: 'the end-to-end lab' })),
    }),
  );
  const blobs = layers.map((layer) => content(gzipSync(layer, { level: 1 })));
  const manifest = content(
    JSON.stringify({
      schemaVersion: 2,
      ...(dialect === 'bare' ? {} : { mediaType: types.manifest }),
      config: descriptor(types.config, config),
      layers: blobs.map((blob) => descriptor(types.layer, blob)),
    }),
  );
  return {
    ...manifest,
    mediaType: types.manifest,
    greeting,
    blobs: [config, ...blobs],
    children: [],
    architecture,
  };
}

/** An image for two architectures, of which only this machine's will be run. */
export function buildIndex(name: string, dialect: 'oci' | 'docker' = 'oci'): Image {
  const types = mediaTypes[dialect];
  const foreign = ownArchitecture === 'amd64' ? 'arm64' : 'amd64';
  const children = [ownArchitecture, foreign].map((one) => buildImage(name, dialect, one));
  const index = content(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.index,
      manifests: children.map((child) => ({
        ...descriptor(types.manifest, child),
        platform: { architecture: child.architecture, os: 'linux' },
      })),
    }),
  );
  return {
    ...index,
    mediaType: types.index,
    greeting: `hello from ${name} on ${ownArchitecture}`,
    blobs: [],
    children,
    architecture: ownArchitecture,
  };
}

function content(data: string | Buffer): Content {
  const bytes = Buffer.from(data);
  return { digest: digestOf(bytes), bytes };
}

function descriptor(mediaType: string, of: Content) {
  return { mediaType, digest: of.digest, size: of.bytes.length };
}
