/** Tag lists, passed through: names say nothing about content, and every tag in them is decided when it is pulled. */
import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Dispatcher } from 'undici';
import { formatRepository } from '../oci/reference.ts';
import { toRegistryError, writeError, type RegistryError } from './registry-error.ts';
import type { Route } from './route.ts';
import type { Exchange, Origin, Serving } from './serving.ts';

export type TagsRoute = Extract<Route, { kind: 'tags' }>;

/** Names the upstream to our own `request`, and goes no further: two of them may share an origin, not credentials. */
const UPSTREAM = 'x-upstream';
const JSON_TYPE = 'application/json';

/** The `request` of the undici that reply-from brings along: the shape is the same, the declared types are its own. */
type Request = Extract<FastifyReplyFromOptions['undici'], { request: unknown }>['request'];
interface Passed {
  readonly path: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string | undefined>>;
}
type Callback = (error: Error | null, response?: Dispatcher.ResponseData) => void;

/** Registered once; each request then goes through the dispatcher of its upstream, as the rules in force know it. */
export async function registerTagLists(
  app: FastifyInstance,
  current: () => Serving,
): Promise<void> {
  const request = ({ path, method, headers }: Passed, callback: Callback): void => {
    const named = headers[UPSTREAM] ?? '';
    const upstream = current().origins.get(named);
    if (upstream === undefined) {
      callback(new Error(`no upstream ${named}`));
      return;
    }
    upstream.dispatcher
      .request({ origin: upstream.url.origin, path, method, headers: { accept: JSON_TYPE } })
      .then(
        (response) => {
          const { statusCode, body } = response;
          if (statusCode >= 200 && statusCode < 600) {
            callback(null, response);
            return;
          }
          // reply-from answers twice to a status that is none, and the second answer would throw.
          body.on('error', () => undefined).destroy();
          callback(new Error(`expected a status from 200 to 599, got ${statusCode}`));
        },
        (error: unknown) => {
          callback(error instanceof Error ? error : new Error(String(error)));
        },
      );
  };
  await app.register(replyFrom, {
    undici: { request: request as unknown as Request },
    disableRequestLogging: true,
    disableCache: true,
  });
}

/** Only pagination is passed on; no header of the client is, its credentials least of all. */
export function serveTags(exchange: Exchange, route: TagsRoute, reply: FastifyReply): void {
  const { request, response, serving } = exchange;
  const { repository, query } = route;
  const refused = serving.admission.admitTagList(repository);
  const origin = serving.origins.get(repository.registry);
  if (refused !== undefined || origin === undefined) {
    reply.hijack();
    writeError(
      request,
      response,
      refused === undefined ? unavailable(repository.registry) : toRegistryError(refused, 'tags'),
    );
    return;
  }
  let encoded = false;
  reply.from(`${origin.url.origin}/v2/${repository.path}/tags/list`, {
    queryString: () => pagination(query),
    rewriteRequestHeaders: () => ({ [UPSTREAM]: repository.registry }),
    // The dispatcher has retried already.
    retryDelay: () => null,
    rewriteHeaders: (headers) => {
      encoded = (headers['content-encoding'] ?? 'identity') !== 'identity';
      const length = headers['content-length'];
      const link = ownLink(headers['link'], origin, route);
      return {
        'content-type': JSON_TYPE,
        ...(length === undefined ? {} : { 'content-length': length }),
        ...(link === undefined ? {} : { link }),
        ...(route.namespace === undefined ? {} : { 'oci-namespace': route.namespace }),
      };
    },
    onResponse: (_request, answered, result) => {
      const { statusCode, stream } = result as unknown as { statusCode: number; stream: Readable };
      if (statusCode === 200 && !encoded) {
        void answered.send(stream);
        return;
      }
      // Not drained: it may never end.
      stream.on('error', () => undefined).destroy();
      if (response.headersSent) return;
      answered.hijack();
      writeError(request, response, upstreamStatus(statusCode, formatRepository(repository)));
    },
    onError: (failed) => {
      failed.hijack();
      if (!response.headersSent)
        writeError(request, response, unavailable(formatRepository(repository)));
      else response.destroy();
    },
  });
}

function upstreamStatus(status: number, what: string): RegistryError {
  if (status === 404) {
    return { status: 404, code: 'NAME_UNKNOWN', message: `the upstream knows no ${what}` };
  }
  if (status === 401 || status === 403) {
    return {
      status: 403,
      code: 'DENIED',
      message: `the upstream refuses to list the tags of ${what}`,
    };
  }
  if (status === 429) {
    const message = `the upstream limits how often it is asked for ${what}`;
    return { status, code: 'TOOMANYREQUESTS', message, headers: { 'retry-after': '10' } };
  }
  return unavailable(what);
}

function unavailable(what: string): RegistryError {
  const message = `the upstream does not answer for ${what}`;
  return { status: 503, code: 'UNAVAILABLE', message, headers: { 'retry-after': '10' } };
}

/** `n` and `last`, and nothing else a client may have put there. */
function pagination(query: URLSearchParams | undefined): string {
  const kept = new URLSearchParams();
  for (const name of ['n', 'last']) {
    const value = query?.get(name);
    if (value !== undefined && value !== null) kept.set(name, value);
  }
  return kept.toString();
}

/** The next page is asked of us, under the name that the client used. */
function ownLink(
  link: string | string[] | undefined,
  origin: Origin,
  route: TagsRoute,
): string | undefined {
  const [, target = ''] = /^<([^>]*)>/.exec(String(link ?? '')) ?? [];
  const next = target === '' ? null : URL.parse(target, origin.url.href);
  if (next === null) return undefined;
  return nextLink(new URLSearchParams(pagination(next.searchParams)), route);
}

/** A `Link` to the next page, under the name that the client used. */
export function nextLink(
  query: URLSearchParams,
  { asked, namespace }: Pick<TagsRoute, 'asked' | 'namespace'>,
): string {
  if (namespace !== undefined) query.set('ns', namespace);
  return `<${encodeURI(asked)}?${query.toString()}>; rel="next"`;
}
