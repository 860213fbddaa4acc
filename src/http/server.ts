/** The `/v2/` surface: fastify around handlers that each answer one kind of route. */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Digest } from '../oci/digest.ts';
import { serveBlob } from './blobs.ts';
import { answerClientError, MAX_HEADER_BYTES } from './client-error.ts';
import { FastPath } from './fast-path.ts';
import { Handover } from './handover.ts';
import { serveManifest } from './manifests.ts';
import { serveReferrers } from './referrers.ts';
import {
  METHOD_NOT_ALLOWED,
  UNFORESEEN,
  writeError,
  type RegistryError,
} from './registry-error.ts';
import { parseRoute, type Route } from './route.ts';
import type { Exchange, Serving } from './serving.ts';
import { servePinnedTags } from './pinned-tags.ts';
import { registerTagLists, serveTags } from './tags.ts';

export interface RegistryServerOptions extends Pick<Exchange, 'observer' | 'logger'> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Where nginx, in front, finds a blob of the cache, for X-Accel-Redirect; absent: every byte is sent from here. */
  readonly locate?: ((digest: Digest) => string) | undefined;
  /** The rules in force; asked once for each request. */
  readonly current: () => Serving;
}

export interface RegistryServer {
  /** Where it listens, with the port the system chose. */
  readonly url: string;
  /** Stops listening, lets answers under way finish for a moment, then cuts them. */
  close(): Promise<void>;
}

/** Milliseconds that answers under way get when the server closes. */
const GRACE = 5_000;
/** Milliseconds for which a connection without a request stays: longer than the minute of most balancers in front. */
const KEEP_ALIVE = 72_000;

/** @throws when it cannot listen. */
export async function startRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const fast = new FastPath(options);
  const app = createApp(options, fast);
  const handover = options.locate === undefined ? undefined : new Handover(options.locate);
  await registerTagLists(app, options.current);
  app.addHook('onRequest', refuseOtherMethods);
  app.setErrorHandler((error, request, reply) => {
    options.logger.warn({ err: error }, 'an answer broke off');
    reply.hijack();
    if (reply.raw.headersSent) reply.raw.destroy();
    else writeError(request.raw, reply.raw, UNFORESEEN);
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: '*',
    handler: (request, reply) => handle(options, handover, request, reply),
  });
  await app.listen({ host: options.host, port: options.port });
  return {
    url: urlOf(app, options),
    close: async () => {
      fast.close();
      await closeWithGrace(app);
      await handover?.close();
    },
  };
}

function createApp({ tls }: RegistryServerOptions, fast: FastPath): FastifyInstance {
  return fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    frameworkErrors: (_error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
      reply.hijack();
      const message = 'the path is not a valid one';
      writeError(request.raw, reply.raw, { status: 400, code: 'NAME_INVALID', message });
    },
    serverFactory: (others) => {
      const http = { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE };
      return tls === undefined
        ? createServer(http, fast.before(others))
        : createTlsServer({ ...tls, ...http, minVersion: 'TLSv1.2' }, fast.before(others));
    },
  });
}

/** Before any body is read: nothing is ever pushed here. */
function refuseOtherMethods(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  if (request.method === 'GET' || request.method === 'HEAD') {
    done();
    return;
  }
  reply.hijack();
  writeError(request.raw, reply.raw, METHOD_NOT_ALLOWED, { connection: 'close' });
}

async function handle(
  options: RegistryServerOptions,
  handover: Handover | undefined,
  { raw: request }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { observer, logger, current } = options;
  const response = reply.raw;
  const exchange: Exchange = { request, response, serving: current(), observer, handover, logger };
  const route = parseRoute(request.url ?? '', exchange.serving.upstreams);
  if ('kind' in route && route.kind === 'tags') {
    response.once('finish', () => {
      observer.request('tags', response.statusCode);
    });
    if (!(await servePinnedTags(exchange, route, reply))) serveTags(exchange, route, reply);
    return reply;
  }
  reply.hijack();
  try {
    await serve(exchange, route);
  } catch (error) {
    logger.error({ err: error }, 'a request failed in an unforeseen way');
    if (response.headersSent) response.destroy();
    else writeError(request, response, UNFORESEEN);
  }
  observer.request('kind' in route ? route.kind : 'none', response.statusCode);
  return reply;
}

async function serve(
  exchange: Exchange,
  route: Exclude<Route, { kind: 'tags' }> | RegistryError,
): Promise<void> {
  const { request, response } = exchange;
  if (!('kind' in route)) {
    writeError(request, response, route);
    return;
  }
  switch (route.kind) {
    case 'base': {
      const body = Buffer.from('{}');
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': body.length,
        'docker-distribution-api-version': 'registry/2.0',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
      return;
    }
    case 'manifest':
      return serveManifest(exchange, route);
    case 'blob':
      return serveBlob(exchange, route);
    case 'referrers':
      return serveReferrers(exchange, route);
  }
}

function urlOf(app: FastifyInstance, { tls }: RegistryServerOptions): string {
  const address = app.server.address() as AddressInfo;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${tls === undefined ? 'http' : 'https'}://${host}:${address.port}`;
}

async function closeWithGrace(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => {
    app.server.closeAllConnections();
  }, GRACE);
  await app.close();
  clearTimeout(cut);
}
