/** Manifests whose decision is in memory, answered before fastify: its routing costs more than the rest of the answer. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { KnownRoutes } from './known-routes.ts';
import { serveKnownManifest } from './manifests.ts';
import { UNFORESEEN, writeError } from './registry-error.ts';
import type { Exchange, Serving } from './serving.ts';

export interface FastPathOptions extends Pick<Exchange, 'observer' | 'logger'> {
  /** The rules in force; asked once for each request. */
  readonly current: () => Serving;
}

export class FastPath {
  readonly #options: FastPathOptions;
  readonly #routes = new KnownRoutes();
  #closed = false;

  constructor(options: FastPathOptions) {
    this.#options = options;
  }

  /** Answers what it can, and hands on the rest. */
  before(others: RequestListener): RequestListener {
    return (request, response) => {
      if (!this.#answers(request, response)) others(request, response);
    };
  }

  /** Hands on everything: fastify knows how to end a connection after its last answer. */
  close(): void {
    this.#closed = true;
  }

  #answers(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url } = request;
    if (this.#closed || url === undefined || (method !== 'GET' && method !== 'HEAD')) return false;
    const { observer, logger, current } = this.#options;
    try {
      const serving = current();
      const route = this.#routes.find(url, serving.upstreams);
      if (route === undefined) return false;
      const exchange = { request, response, serving, observer, logger, handover: undefined };
      if (!serveKnownManifest(exchange, route)) return false;
    } catch (error) {
      logger.error({ err: error }, 'a request failed in an unforeseen way');
      if (response.headersSent) response.destroy();
      else writeError(request, response, UNFORESEEN);
    }
    observer.request('manifest', response.statusCode);
    return true;
  }
}
