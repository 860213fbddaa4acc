/** Manifests from an upstream: exact bytes, their digest, and what a tag means. */
import { digestAlgorithm, digestOf, isDigest, type Digest } from '../oci/digest.ts';
import { essence, MANIFEST_ACCEPT } from '../oci/media-type.ts';
import type { Dispatcher } from 'undici';
import { ask, failure, type Asker } from './ask.ts';
import { readWhole } from './body.ts';
import { describeRequest } from './failure.ts';
import { refuseEncoded } from './content-encoding.ts';
import {
  UpstreamError,
  type FetchedManifest,
  type FetchOptions,
  type ResolvedTag,
} from './upstream.ts';

/** A HEAD that a registry refuses although it would answer GET. */
const HEAD_NOT_SUPPORTED = [405, 501];

/** What a tag means now; a registry that names no digest is asked for the manifest itself. */
export async function resolveTag(
  asker: Asker,
  url: URL,
  path: string,
  tag: string,
  options: FetchOptions & { readonly maxBytes: number },
): Promise<ResolvedTag> {
  const request = manifestRequest('HEAD', url, path, tag);
  const response = await ask(asker, request, {
    signal: options.signal,
    statuses: [200, ...HEAD_NOT_SUPPORTED],
  });
  await response.body.dump();
  if (response.statusCode === 200) {
    const digest = claimedDigest(response, describeRequest(asker.name, request));
    if (digest !== undefined) return { digest };
  }
  const manifest = await fetchManifest(asker, url, path, tag, options);
  return { digest: manifest.digest, manifest };
}

/** A manifest's bytes, proven when a digest was asked for. */
export async function fetchManifest(
  asker: Asker,
  url: URL,
  path: string,
  reference: Digest | string,
  options: FetchOptions & { readonly maxBytes: number },
): Promise<FetchedManifest> {
  const request = manifestRequest('GET', url, path, reference);
  const what = describeRequest(asker.name, request);
  const response = await ask(asker, request, { signal: options.signal });
  refuseEncoded(response, what);
  let bytes: Buffer;
  try {
    bytes = await readWhole(response, options.maxBytes, what);
  } catch (error) {
    throw failure(error, what, options.signal);
  }
  // Both what we asked for and what the registry claims must be these bytes: distribution-spec "Pulling manifests".
  const claimed = claimedDigest(response, what);
  const digest = isDigest(reference) ? reference : (claimed ?? digestOf(bytes));
  for (const expected of new Set([digest, claimed ?? digest])) {
    const actual = digestOf(bytes, digestAlgorithm(expected));
    if (actual !== expected) {
      throw new UpstreamError(
        'digest-mismatch',
        `${what} failed: expected ${expected}, got ${bytes.length} bytes that are ${actual}`,
      );
    }
  }
  return { bytes, digest, contentType: essence(String(response.headers['content-type'] ?? '')) };
}

function manifestRequest(
  method: 'GET' | 'HEAD',
  url: URL,
  path: string,
  reference: string,
): Dispatcher.RequestOptions {
  return {
    origin: url.origin,
    path: `/v2/${path}/manifests/${reference}`,
    method,
    headers: { accept: MANIFEST_ACCEPT },
  };
}

function claimedDigest(response: Dispatcher.ResponseData, what: string): Digest | undefined {
  const header = response.headers['docker-content-digest'];
  if (header === undefined || header === '') return undefined;
  if (isDigest(header)) return header;
  throw new UpstreamError(
    'bad-response',
    `${what} failed: expected a sha256 or sha512 Docker-Content-Digest, got another`,
  );
}
