/** Tag lists of registries that nobody may ask: what is pinned here (distribution-spec "Listing Tags"). */
import type { FastifyReply } from 'fastify';
import type { Exchange } from './serving.ts';
import { nextLink, type TagsRoute } from './tags.ts';

/** Tags in one page, whatever the client asks for. */
const MAX_PAGE = 1000;

/** @returns whether it was answered; where not, the upstream is to be asked. */
export async function servePinnedTags(
  { request, response, serving }: Exchange,
  route: TagsRoute,
  reply: FastifyReply,
): Promise<boolean> {
  const { repository, query, namespace } = route;
  if (serving.admission.admitTagList(repository) !== undefined) return false;
  const wanted = Number(query?.get('n') ?? MAX_PAGE);
  const limit = Number.isSafeInteger(wanted) && wanted >= 0 ? Math.min(wanted, MAX_PAGE) : MAX_PAGE;
  const after = query?.get('last') ?? '';
  const found = await serving.admission.listPinned(repository, after, limit + 1);
  if (found === undefined) return false;
  const tags = found.slice(0, limit);
  const last = tags.at(-1);
  const isMore = last !== undefined && found.length > limit;
  const body = Buffer.from(JSON.stringify({ name: repository.path, tags }));
  reply.hijack();
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(namespace === undefined ? {} : { 'oci-namespace': namespace }),
    ...(isMore && {
      link: nextLink(new URLSearchParams({ n: String(limit), last }), route),
    }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  return true;
}
