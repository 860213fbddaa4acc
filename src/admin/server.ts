/** The operator's surface: is the process alive, can it do its work, what has it counted. */
import { fastify } from 'fastify';
import type { Logger } from 'pino';

export interface AdminOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether records and cache can be written; a rejection is the reason why not. */
  readonly ready: () => Promise<void>;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  readonly logger: Pick<Logger, 'warn' | 'error'>;
}

export interface AdminServer {
  /** Origin, e.g. `http://127.0.0.1:5051`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Milliseconds in which `ready` must have answered: a hanging disk is not ready. */
const READY_TIMEOUT = 5000;

const METHODS = 'GET, HEAD';

/**
 * Listens until it is closed.
 * @throws when the address cannot be had.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port, ready, metrics, logger } = options;
  const server = fastify({
    logger: false,
    // Nobody's request to this surface is large or slow.
    bodyLimit: 1024,
    requestTimeout: 10_000,
    forceCloseConnections: true,
  });

  server.get('/healthz', () => ({ status: 'ok' }));

  server.get('/readyz', async (_request, reply) => {
    try {
      await within(READY_TIMEOUT, ready());
      return { status: 'ready' };
    } catch (error) {
      logger.warn({ err: error }, 'not ready');
      return reply.code(503).send({ status: 'not ready', reason: messageOf(error) });
    }
  });

  server.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.contentType).send(await metrics.render());
  });

  const paths = new Set(['/healthz', '/readyz', '/metrics']);
  server.setNotFoundHandler((request, reply) => {
    if (paths.has(request.url.split('?', 1)[0] ?? '')) {
      return reply
        .code(405)
        .header('allow', METHODS)
        .send({ error: `expected ${METHODS}, got ${request.method}` });
    }
    return reply.code(404).send({ error: `expected one of ${[...paths].join(', ')}` });
  });
  server.setErrorHandler((error, _request, reply) => {
    const status = statusOf(error);
    if (status >= 500) logger.error({ err: error }, 'the admin surface failed');
    return reply.code(status).send({ error: status >= 500 ? 'internal error' : messageOf(error) });
  });

  const url = await server.listen({ host, port });
  return { url, close: () => server.close() };
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`no answer within ${milliseconds / 1000} s`));
  }, milliseconds);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
