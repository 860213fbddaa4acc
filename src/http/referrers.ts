/** The Referrers API for admitted digests: distribution-spec "Listing Referrers". */
import { OCI_INDEX } from '../oci/media-type.ts';
import { toRegistryError, writeError } from './registry-error.ts';
import type { Route } from './route.ts';
import type { Exchange } from './serving.ts';

type ReferrersRoute = Extract<Route, { kind: 'referrers' }>;

/** An unknown digest has no referrers, which is an empty list and no error. */
export async function serveReferrers(exchange: Exchange, route: ReferrersRoute): Promise<void> {
  const { request, response, serving } = exchange;
  const { repository, digest, namespace, query } = route;
  const listed = await serving.admission.findReferrers(repository, digest);
  const headers = namespace === undefined ? {} : { 'oci-namespace': namespace };
  if ('outcome' in listed) {
    writeError(request, response, toRegistryError(listed, 'manifest'), headers);
    return;
  }
  const filter = query?.get('artifactType') ?? '';
  const manifests =
    filter === '' ? listed : listed.filter((descriptor) => descriptor.artifactType === filter);
  const body = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: manifests.map(toJson) }),
  );
  response.writeHead(200, {
    ...headers,
    ...(filter === '' ? {} : { 'oci-filters-applied': 'artifactType' }),
    'content-type': OCI_INDEX,
    'content-length': body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function toJson({
  mediaType,
  digest,
  size,
  artifactType,
  annotations,
}: {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}): object {
  return { mediaType, digest, size, artifactType, annotations };
}
