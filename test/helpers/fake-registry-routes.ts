/** The /v2/ surface of a fake registry: a request and the content become a reply. */
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import type { FakeContent } from './fake-registry-content.ts';
import type { FakeReply, FakeRequest } from './fake-registry-reply.ts';

export interface FakeSwitches {
  /** Off: the referrers endpoint is 404, as on registries before OCI 1.1. */
  referrersApi: boolean;
  /** Descriptors on each referrers page; all on one unless told. */
  referrersPageSize: number | undefined;
  /** Off: answers to HEAD carry no Docker-Content-Digest. */
  headDigest: boolean;
}

/** Answers as a conformant registry would. */
export function answer(
  content: FakeContent,
  switches: FakeSwitches,
  request: FakeRequest,
): FakeReply {
  const url = new URL(request.url, 'http://fake');
  if (request.method !== 'GET' && request.method !== 'HEAD') return error(405, 'UNSUPPORTED');
  if (url.pathname === '/v2/') return ok('application/json', Buffer.from('{}'));
  const [, name = '', kind = '', reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/.exec(url.pathname) ?? [];
  switch (kind) {
    case 'manifests':
      return manifest(content, switches, request, name, reference);
    case 'blobs':
      return blob(content.blob(name, reference), request.headers.range, reference);
    case 'referrers':
      return switches.referrersApi
        ? referrers(content, switches, url, name, reference)
        : error(404, 'NAME_UNKNOWN');
    case 'tags':
      return tags(content, url, name);
    default:
      return error(404, 'NAME_UNKNOWN');
  }
}

function manifest(
  content: FakeContent,
  switches: FakeSwitches,
  request: FakeRequest,
  name: string,
  reference: string,
): FakeReply {
  const found = content.manifest(name, reference);
  if (found === undefined) return error(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  const silent = request.method === 'HEAD' && !switches.headDigest;
  return ok(found.mediaType, found.bytes, silent ? {} : { 'docker-content-digest': found.digest });
}

function blob(bytes: Buffer | undefined, range: string | undefined, digest: string): FakeReply {
  if (bytes === undefined) return error(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  const headers = { 'docker-content-digest': digest, 'accept-ranges': 'bytes' };
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (from === undefined) return ok('application/octet-stream', bytes, headers);
  const first = Number(from);
  const last =
    to === undefined || to === '' ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  if (first >= bytes.length) {
    return { ...error(416, 'UNKNOWN'), headers: { 'content-range': `bytes */${bytes.length}` } };
  }
  const part = bytes.subarray(first, last + 1);
  const contentRange = `bytes ${first}-${last}/${bytes.length}`;
  const whole = ok('application/octet-stream', part, { ...headers, 'content-range': contentRange });
  return { ...whole, status: 206 };
}

function referrers(
  content: FakeContent,
  switches: FakeSwitches,
  url: URL,
  name: string,
  digest: string,
): FakeReply {
  const filter = url.searchParams.get('artifactType');
  const all = content
    .referrers(name, digest)
    .filter((one) => filter === null || one['artifactType'] === filter);
  const size = switches.referrersPageSize ?? Math.max(all.length, 1);
  const from = Number(url.searchParams.get('from') ?? 0);
  const page = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: all.slice(from, from + size) };
  const next = `/v2/${name}/referrers/${digest}?from=${from + size}`;
  return ok(OCI_INDEX, Buffer.from(JSON.stringify(page)), {
    ...(filter === null ? {} : { 'oci-filters-applied': 'artifactType' }),
    ...(from + size < all.length ? { link: `<${next}>; rel="next"` } : {}),
  });
}

function tags(content: FakeContent, url: URL, name: string): FakeReply {
  const all = content.tags(name);
  if (all === undefined) return error(404, 'NAME_UNKNOWN', 'repository name not known to registry');
  const last = url.searchParams.get('last');
  const rest = last === null ? all : all.filter((tag) => tag > last);
  const n = Number(url.searchParams.get('n') ?? rest.length);
  const page = rest.slice(0, n);
  const end = page.at(-1);
  const more = page.length < rest.length && end !== undefined;
  const next = `/v2/${name}/tags/list?n=${n}&last=${end ?? ''}`;
  const body = Buffer.from(JSON.stringify({ name, tags: page }));
  return ok('application/json', body, more ? { link: `<${next}>; rel="next"` } : {});
}

function ok(type: string, body: Buffer, headers: Record<string, string> = {}): FakeReply {
  const length = { 'content-type': type, 'content-length': body.length };
  return { status: 200, headers: { ...length, ...headers }, body };
}

function error(status: number, code: string, message = code.toLowerCase()): FakeReply {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message }] }));
  return { ...ok('application/json', body), status };
}
