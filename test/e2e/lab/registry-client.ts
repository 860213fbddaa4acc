/** Pushes to and reads from a registry over its HTTP API, as a publisher does. */
import { digestOf, type Image } from './images.ts';

export interface RegistryAccess {
  /** `127.0.0.1:5000` */
  readonly host: string;
  /** The `Authorization` for one repository, or undefined where nobody asks. */
  readonly authorization: (repository: string) => string | undefined;
}

export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
}

const anyManifest = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/** Pushes an image with all its children; the tag names the topmost manifest. */
export async function pushImage(
  registry: RegistryAccess,
  repository: string,
  tag: string,
  image: Image,
): Promise<void> {
  for (const child of image.children) await pushImage(registry, repository, child.digest, child);
  for (const { bytes } of image.blobs) await pushBlob(registry, repository, bytes);
  await pushManifest(registry, repository, tag, image.bytes, image.mediaType);
}

/** Gives the blob's digest. */
export async function pushBlob(
  registry: RegistryAccess,
  repository: string,
  bytes: Buffer,
): Promise<string> {
  const digest = digestOf(bytes);
  const begun = await ask(registry, repository, 'blobs/uploads/', { method: 'POST' });
  const place = new URL(begun.headers.get('location') ?? '', `http://${registry.host}`);
  place.searchParams.set('digest', digest);
  await ask(registry, repository, place, {
    method: 'PUT',
    body: new Uint8Array(bytes),
    headers: { 'content-type': 'application/octet-stream' },
  });
  return digest;
}

/** Gives the manifest's digest. */
export async function pushManifest(
  registry: RegistryAccess,
  repository: string,
  reference: string,
  bytes: Buffer,
  mediaType: string,
): Promise<string> {
  await ask(registry, repository, `manifests/${reference}`, {
    method: 'PUT',
    body: new Uint8Array(bytes),
    headers: { 'content-type': mediaType },
  });
  return digestOf(bytes);
}

export async function fetchManifest(
  registry: RegistryAccess,
  repository: string,
  reference: string,
): Promise<FetchedManifest> {
  const response = await ask(registry, repository, `manifests/${reference}`, {
    headers: { accept: anyManifest },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    bytes,
    digest: digestOf(bytes),
    mediaType: response.headers.get('content-type') ?? '',
  };
}

/** The manifest, where there is one under that tag or digest. */
export async function findManifest(
  registry: RegistryAccess,
  repository: string,
  reference: string,
): Promise<FetchedManifest | undefined> {
  const known = await send(registry, repository, `manifests/${reference}`, {
    method: 'HEAD',
    headers: { accept: anyManifest },
  });
  return known.status === 404 ? undefined : fetchManifest(registry, repository, reference);
}

export async function fetchBlob(
  registry: RegistryAccess,
  repository: string,
  digest: string,
): Promise<Buffer> {
  const response = await ask(registry, repository, `blobs/${digest}`, {});
  return Buffer.from(await response.arrayBuffer());
}

async function ask(
  registry: RegistryAccess,
  repository: string,
  place: string | URL,
  init: RequestInit,
): Promise<Response> {
  const response = await send(registry, repository, place, init);
  if (!response.ok) {
    const text = await response.text();
    throw new Error(`${init.method ?? 'GET'} ${response.url}: ${response.status} ${text}`);
  }
  return response;
}

async function send(
  registry: RegistryAccess,
  repository: string,
  place: string | URL,
  init: RequestInit,
): Promise<Response> {
  const url = new URL(place, `http://${registry.host}/v2/${repository}/`);
  const headers = new Headers(init.headers);
  const authorization = registry.authorization(repository);
  if (authorization !== undefined) headers.set('authorization', authorization);
  return fetch(url, { ...init, headers });
}
