/** GET and HEAD of blobs: under a grant only, whole or in ranges, from the cache or while it fills. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { GrantedBlob, OpenedBlob } from '../admission/blobs.ts';
import { formatRepository } from '../oci/reference.ts';
import { report } from './audit.ts';
import { answerBlob, cacheStatus, handOverBlob, type BlobAnswer } from './blob-answer.ts';
import { ClientGone, pump } from './pump.ts';
import { toRegistryError, writeError } from './registry-error.ts';
import type { Route } from './route.ts';
import type { Exchange } from './serving.ts';

type BlobRoute = Extract<Route, { kind: 'blob' }>;

export async function serveBlob(exchange: Exchange, route: BlobRoute): Promise<void> {
  const { request, response, serving } = exchange;
  const started = performance.now();
  const { repository, digest, namespace, asked } = route;
  const blob = await serving.admission.admitBlob(repository, digest);
  const headers: OutgoingHttpHeaders =
    namespace === undefined ? {} : { 'oci-namespace': namespace };
  if (blob.outcome === 'refused') {
    writeError(request, response, toRegistryError(blob, 'blob'), headers);
    // A grant is part of the decision that gave it; only its absence is a decision of its own.
    report(
      exchange,
      { reference: { repository, digest }, asked },
      blob,
      performance.now() - started,
    );
    return;
  }
  const answer = answerBlob(request.headers, blob);
  const { status, body } = answer;
  if (body === undefined || request.method === 'HEAD') {
    const found = body === undefined ? {} : cacheStatus(await blob.isKept());
    response.writeHead(status, { ...headers, ...answer.headers, ...found }).end();
    return;
  }
  const location = await exchange.handover?.offer(blob);
  if (location !== undefined) {
    response.writeHead(200, { ...headers, ...handOverBlob(blob, location) }).end();
    return;
  }
  await sendBlob(exchange, route, blob, body, (isKept) => {
    response.writeHead(status, { ...headers, ...answer.headers, ...cacheStatus(isKept) });
  });
}

async function sendBlob(
  exchange: Exchange,
  route: BlobRoute,
  blob: GrantedBlob,
  body: NonNullable<BlobAnswer['body']>,
  begin: (isKept: boolean) => void,
): Promise<void> {
  const { response, observer } = exchange;
  let opened: OpenedBlob | undefined;
  // A reader may wait long for its next bytes; closed, it waits no more.
  const leave = (): void => void opened?.reader.close();
  response.once('close', leave);
  try {
    opened = await blob.open();
    if (response.destroyed) return;
    const { reader, cached } = opened;
    const sent = await pump(reader, response, body, () => {
      begin(cached);
    });
    response.end(body.tail);
    observer.blobServed(cached ? 'cache' : 'fill', sent);
  } catch (error) {
    if (!(error instanceof ClientGone || response.destroyed)) fail(exchange, route, blob, error);
  } finally {
    response.off('close', leave);
    await opened?.reader.close();
  }
}

/** Before the first byte a failure is an error answer; after it, a short body that no client takes for the blob. */
function fail(exchange: Exchange, route: BlobRoute, blob: GrantedBlob, error: unknown): void {
  const { request, response, observer, logger } = exchange;
  const refused = blob.explain(error);
  const about = { repository: formatRepository(route.repository), digest: route.digest };
  if (refused.code === 'digest-mismatch') {
    logger.error(about, refused.message);
    observer.digestMismatch(route.repository.registry);
  } else {
    logger.warn(about, refused.message);
  }
  if (response.headersSent) response.destroy();
  else writeError(request, response, toRegistryError(refused, 'blob'));
}
