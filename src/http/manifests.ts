/** GET and HEAD of manifests: one whole decision for both. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Admitted } from '../admission/decision.ts';
import { report } from './audit.ts';
import { toRegistryError, warningHeader, writeError } from './registry-error.ts';
import type { Route } from './route.ts';
import type { Exchange } from './serving.ts';

/** Bytes up to which copying is cheaper than a second piece to write. */
const IN_ONE_PIECE = 64 * 1024;

export type ManifestRoute = Extract<Route, { kind: 'manifest' }>;

export async function serveManifest(exchange: Exchange, route: ManifestRoute): Promise<void> {
  if (serveKnownManifest(exchange, route)) return;
  const { request, response, serving } = exchange;
  const started = performance.now();
  const { reference, namespace } = route;
  const decision = await serving.admission.admit(reference);
  if (decision.outcome === 'admitted') {
    writeManifest(request, response, decision, namespace);
    if (request.method === 'GET') serving.admission.prefetch(reference, decision);
  } else {
    const headers: OutgoingHttpHeaders =
      namespace === undefined ? {} : { 'oci-namespace': namespace };
    writeError(request, response, toRegistryError(decision, 'manifest'), headers);
  }
  report(exchange, route, decision, performance.now() - started);
}

/** Answers at once what is admitted by a decision that is still in memory; false where there is none. */
export function serveKnownManifest(exchange: Exchange, route: ManifestRoute): boolean {
  const { request, response, serving } = exchange;
  const started = performance.now();
  const { reference, namespace } = route;
  const decision = serving.admission.peek(reference);
  if (decision?.outcome !== 'admitted') return false;
  writeManifest(request, response, decision, namespace);
  if (request.method === 'GET') serving.admission.prefetch(reference, decision);
  report(exchange, route, decision, performance.now() - started);
  return true;
}

function writeManifest(
  request: IncomingMessage,
  response: ServerResponse,
  decision: Admitted,
  namespace: string | undefined,
): void {
  const { bytes } = decision;
  const { etag, common, whole } = headersOf(decision);
  const isKnown = request.headers['if-none-match'] === etag;
  const headers = isKnown ? common : whole;
  const all = namespace === undefined ? headers : [...headers, 'oci-namespace', namespace];
  response.writeHead(isKnown ? 304 : 200, all);
  if (isKnown || request.method === 'HEAD') response.end();
  // As text of one byte a character it leaves in one piece with its headers.
  else if (bytes.length <= IN_ONE_PIECE) response.end(bytes.toString('latin1'), 'latin1');
  else response.end(bytes);
}

/** Names and values in turn, as node writes them fastest; not to be changed. */
interface Headers {
  readonly etag: string;
  /** Of a 304 too. */
  readonly common: string[];
  readonly whole: string[];
}

/** A decision that is remembered is answered with many times. */
const known = new WeakMap<Admitted, Headers>();

function headersOf(decision: Admitted): Headers {
  const ready = known.get(decision);
  if (ready !== undefined) return ready;
  const { bytes, digest, mediaType, warning } = decision;
  const etag = `"${digest}"`;
  const common = ['docker-content-digest', digest, 'etag', etag];
  if (warning !== undefined) common.push('warning', warningHeader(warning));
  const type = ['content-type', mediaType, 'content-length', String(bytes.length)];
  const headers = { etag, common, whole: [...common, ...type] };
  if (decision.source === 'memory') known.set(decision, headers);
  return headers;
}
