/** GET and HEAD of manifests: one whole decision for both. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Admitted } from '../admission/decision.ts';
import { report } from './audit.ts';
import { toRegistryError, warningHeader, writeError } from './registry-error.ts';
import type { Route } from './route.ts';
import type { Exchange } from './serving.ts';

/** Bytes up to which copying is cheaper than a second piece to write. */
const IN_ONE_PIECE = 64 * 1024;

type ManifestRoute = Extract<Route, { kind: 'manifest' }>;

export async function serveManifest(exchange: Exchange, route: ManifestRoute): Promise<void> {
  const { request, response, serving } = exchange;
  const started = performance.now();
  const { reference, namespace } = route;
  const decision = serving.admission.peek(reference) ?? (await serving.admission.admit(reference));
  const headers: OutgoingHttpHeaders =
    namespace === undefined ? {} : { 'oci-namespace': namespace };
  if (decision.outcome === 'admitted') {
    writeManifest(exchange, decision, headers);
    if (request.method === 'GET') serving.admission.prefetch(reference, decision);
  } else writeError(request, response, toRegistryError(decision, 'manifest'), headers);
  report(exchange, route, decision, performance.now() - started);
}

function writeManifest(
  { request, response }: Exchange,
  { bytes, digest, mediaType, warning }: Admitted,
  headers: OutgoingHttpHeaders,
): void {
  const etag = `"${digest}"`;
  headers['docker-content-digest'] = digest;
  headers.etag = etag;
  if (warning !== undefined) headers.warning = warningHeader(warning);
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  headers['content-type'] = mediaType;
  headers['content-length'] = bytes.length;
  response.writeHead(200, headers);
  if (request.method === 'HEAD') response.end();
  // As text of one byte a character it leaves in one piece with its headers.
  else if (bytes.length <= IN_ONE_PIECE) response.end(bytes.toString('latin1'), 'latin1');
  else response.end(bytes);
}
