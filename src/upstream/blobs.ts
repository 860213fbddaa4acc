/** Blobs from an upstream: a stream from an offset, no byte of it proven. */
import type { Digest } from '../oci/digest.ts';
import { askLong, failure, type Asker } from './ask.ts';
import type { Answer } from './body.ts';
import { refuseEncoded } from './content-encoding.ts';
import { describeRequest } from './failure.ts';
import { UpstreamError, type BlobOptions, type BlobStream } from './upstream.ts';

/** Opens a blob at an offset; a registry that ignores ranges starts at 0. */
export async function openBlob(
  asker: Asker,
  url: URL,
  path: string,
  digest: Digest,
  options: BlobOptions,
): Promise<BlobStream> {
  const { signal, offset = 0 } = options;
  const request = {
    origin: url.origin,
    path: `/v2/${path}/blobs/${digest}`,
    method: 'GET',
    headers: { accept: '*/*', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
  } as const;
  const what = describeRequest(asker.name, request);
  const statuses = offset > 0 ? [200, 206] : [200];
  const response = await askLong(asker, request, { signal, statuses });
  refuseEncoded(response, what);
  const { body } = response;
  let start: { offset: number; size: number | undefined };
  try {
    start = startOf(response, offset, what);
  } catch (error) {
    body.destroy();
    throw error;
  }
  let cancelled = false;
  return {
    ...start,
    body: chunksOf(body, (error) =>
      cancelled
        ? new UpstreamError('aborted', `${what} was given up`)
        : failure(error, what, signal),
    ),
    cancel() {
      cancelled = true;
      body.destroy();
    },
  };
}

/** RFC 9110 §14.4; the part must start where we asked and go on to the end. */
function startOf(
  { statusCode, headers }: Answer,
  offset: number,
  what: string,
): { offset: number; size: number | undefined } {
  const length = parseLength(headers['content-length']);
  if (statusCode === 200) return { offset: 0, size: length };
  const range = headers['content-range'] ?? '';
  const [, from, to, total] = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(range) ?? [];
  const size = total === undefined || total === '*' ? undefined : Number(total);
  const end = Number(to) + 1;
  const fits =
    Number(from) === offset &&
    end > offset &&
    (size === undefined || end === size) &&
    (length === undefined || length === end - offset);
  if (fits) return { offset, size };
  throw new UpstreamError(
    'bad-response',
    `${what} failed: expected a range from ${offset} to the end, got another`,
  );
}

function parseLength(header: string | string[] | undefined): number | undefined {
  const length = /^\d+$/.test(String(header)) ? Number(header) : undefined;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** Leaving the loop early drops the connection, so a reader that stops costs the upstream nothing more. */
async function* chunksOf(
  body: AsyncIterable<Buffer>,
  explain: (error: unknown) => UpstreamError,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    throw explain(error);
  }
}
