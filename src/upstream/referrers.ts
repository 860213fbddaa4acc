/** What refers to a digest, by the Referrers API: distribution-spec "Listing Referrers". */
import type { Dispatcher } from 'undici';
import { parseDescriptor, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { essence, OCI_INDEX } from '../oci/media-type.ts';
import { ask, failure, type Asker } from './ask.ts';
import { readWhole } from './body.ts';
import { MAX_REFERRERS, MAX_REFERRERS_PAGE_BYTES, MAX_REFERRERS_PAGES } from './bounds.ts';
import { refuseEncoded } from './content-encoding.ts';
import { describeRequest } from './failure.ts';
import { findNextLink } from './link.ts';
import { LeftOriginError } from './redirects.ts';
import { UpstreamError, type FetchOptions } from './upstream.ts';

/** What registries without the API answer; ghcr.io redirects to a web page instead. */
const NO_API = [400, 404, 405, 406];

interface Page {
  readonly descriptors: readonly Descriptor[];
  /** Path and query of the page after this one. */
  readonly next: string | undefined;
}

/**
 * All referrers, unfiltered: some registries print a wrong artifactType, so a filter would hide signatures.
 * @param asker one that does not leave the upstream's origin.
 * @param onBound told when pages or descriptors beyond the bounds were left unread.
 */
export async function listReferrers(
  asker: Asker,
  url: URL,
  path: string,
  digest: Digest,
  options: FetchOptions,
  onBound: (what: string) => void,
): Promise<readonly Descriptor[] | undefined> {
  const found: Descriptor[] = [];
  const seen = new Set<string>();
  let next: string | undefined = `/v2/${path}/referrers/${digest}`;
  while (next !== undefined) {
    if (seen.size >= MAX_REFERRERS_PAGES || found.length >= MAX_REFERRERS) {
      onBound(`${asker.name}/${path}@${digest}`);
      break;
    }
    seen.add(next);
    const page = await fetchPage(asker, url, next, options);
    if (page === undefined) {
      if (seen.size === 1) return undefined;
      throw broken(asker, url, next, 'expected another page of referrers, got none');
    }
    found.push(...page.descriptors);
    if (page.next !== undefined && seen.has(page.next)) {
      throw broken(asker, url, next, 'expected pages without a circle');
    }
    next = page.next;
  }
  if (found.length > MAX_REFERRERS) onBound(`${asker.name}/${path}@${digest}`);
  return found.slice(0, MAX_REFERRERS);
}

async function fetchPage(
  asker: Asker,
  url: URL,
  path: string,
  { signal, maxBytes = MAX_REFERRERS_PAGE_BYTES }: FetchOptions,
): Promise<Page | undefined> {
  const request: Dispatcher.RequestOptions = {
    origin: url.origin,
    path,
    method: 'GET',
    headers: { accept: OCI_INDEX },
  };
  const what = describeRequest(asker.name, request);
  try {
    const response = await ask(asker, request, { signal, statuses: [200, ...NO_API] });
    const type = essence(String(response.headers['content-type'] ?? ''));
    if (response.statusCode !== 200 || type !== OCI_INDEX) {
      response.body.destroy();
      return undefined;
    }
    refuseEncoded(response, what);
    const bytes = await readWhole(response, maxBytes, what);
    return {
      descriptors: parsePage(bytes, what),
      next: nextPath(findNextLink(response.headers['link']), url, path, what),
    };
  } catch (error) {
    if (error instanceof UpstreamError && error.cause instanceof LeftOriginError) return undefined;
    throw failure(error, what, signal);
  }
}

function parsePage(bytes: Buffer, what: string): Descriptor[] {
  let page: unknown;
  try {
    page = parseJson(bytes);
  } catch (error) {
    throw new UpstreamError('bad-response', `${what} failed: expected an index in JSON`, {
      cause: error,
    });
  }
  // Go writes an empty list as null.
  const manifests: unknown = isJsonObject(page) ? (page['manifests'] ?? []) : undefined;
  if (!Array.isArray(manifests)) {
    throw new UpstreamError('bad-response', `${what} failed: expected an index with manifests`);
  }
  // Cut before anything is parsed: a page of junk costs as much as a page of referrers.
  return manifests.slice(0, MAX_REFERRERS).flatMap(tryDescriptor);
}

/** One malformed entry must not hide the good ones beside it. */
function tryDescriptor(value: unknown): Descriptor[] {
  try {
    return [parseDescriptor(value)];
  } catch {
    return [];
  }
}

function nextPath(
  link: string | undefined,
  url: URL,
  path: string,
  what: string,
): string | undefined {
  if (link === undefined) return undefined;
  const here = new URL(path, url);
  const next = URL.canParse(link, here.href) ? new URL(link, here) : undefined;
  if (next?.origin === url.origin && next.pathname === here.pathname) {
    return next.pathname + next.search;
  }
  throw new UpstreamError(
    'bad-response',
    `${what} failed: expected the next page at the same place, got another`,
  );
}

function broken(asker: Asker, url: URL, path: string, why: string): UpstreamError {
  const what = describeRequest(asker.name, { origin: url.origin, path, method: 'GET' });
  return new UpstreamError('bad-response', `${what} failed: ${why}`);
}
