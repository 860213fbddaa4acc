/** A client of a proxy's `/v2/` surface: asks as a runtime would, and tells how it went. */
import { request, type Dispatcher } from 'undici';
import { digestMatches, digestOf, isDigest, type Digest } from '../oci/digest.ts';
import { proven, type Content } from '../layout/proven.ts';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { essence, MANIFEST_ACCEPT } from '../oci/media-type.ts';
import { formatRepository, isTag, type Repository } from '../oci/reference.ts';
import { readWhole } from '../upstream/body.ts';
import { got, type Answer, type Failed } from './answer.ts';
import { CLIENT_BOUNDS } from './bounds.ts';
import { explain, isPassing, isUnheard, readRefusal } from './failure.ts';
import { readPages, type Pages } from './pages.ts';
import type { Again, Patiently } from './patience.ts';

/** A manifest as the proxy served it, proven where a digest was asked for. */
export interface ServedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** What the proxy warns of: it would have refused, and audits only. */
  readonly warning: string | undefined;
}

/** What the index of an API says about something that refers to a digest. */
export interface ListedReferrer {
  readonly digest: Digest;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

export interface ProxyClient {
  /** By tag or digest. */
  manifest(repository: Repository, reference: string): Promise<Answer<ServedManifest>>;
  /** Whether all of it is in the proxy's cache. */
  isKept(repository: Repository, blob: Content): Promise<Answer<boolean>>;
  /** Has the proxy fetch it, and proves it. `onBytes` is told the bytes so far, of the attempt under way. */
  fetchBlob(
    repository: Repository,
    blob: Content,
    onBytes: (bytes: number) => void,
  ): Promise<Answer<Content>>;
  /** The bytes of a blob, not proven. @throws {Error} where they cannot be had. */
  openBlob(repository: Repository, blob: Content): AsyncIterable<Uint8Array>;
  /** All of the Referrers API, in its order. */
  referrers(repository: Repository, subject: Digest): Promise<Answer<readonly ListedReferrer[]>>;
  tags(repository: Repository): Promise<Answer<readonly string[]>>;
}

export interface ProxyClientOptions {
  /** Where the proxy is, without a slash at its end. */
  readonly url: string;
  readonly dispatcher: Dispatcher;
  readonly patiently: Patiently;
  readonly signal?: AbortSignal | undefined;
  /** Whether the proxy is forbidden to ask the upstream of these; none unless told. */
  readonly isOffline?: ((repository: Repository) => boolean) | undefined;
  /**
   * Opens a blob as it lies in the proxy's cache: for a proxy that lets a server in front of it send what is complete,
   * which nobody does for who asks the proxy itself.
   */
  readonly openKept?: ((digest: Digest) => AsyncIterable<Uint8Array>) | undefined;
}

export function createProxyClient(options: ProxyClientOptions): ProxyClient {
  const { url, dispatcher, patiently, signal, openKept } = options;
  const { isOffline = () => false } = options;
  const pathOf = (repository: Repository, what: string): string =>
    `/v2/${formatRepository(repository)}/${what}`;

  async function ask(
    method: 'GET' | 'HEAD',
    path: string,
    { headers = {}, headersTimeout }: AskOptions = {},
  ): Promise<Dispatcher.ResponseData> {
    const answer = await request(`${url}${path}`, {
      ...{ dispatcher, method, headers, signal: signal ?? null },
      headersTimeout: headersTimeout ?? CLIENT_BOUNDS.headers,
      bodyTimeout: CLIENT_BOUNDS.body,
    });
    // A body that is given up must not end the process.
    answer.body.on('error', () => undefined);
    return answer;
  }

  /** Nobody listened for as long as anybody waits: until somebody does, nothing waits for it again. */
  let isGone = false;

  /** Asks until there is an answer that another attempt would not change. */
  async function patientlyAsk<T extends object>(
    what: string,
    attempt: (number: number) => Promise<T | Again>,
  ): Promise<T | Failed> {
    let unheard: Failed | undefined;
    const answer = await patiently<T | Failed>(async (number): Promise<T | Failed | Again> => {
      unheard = undefined;
      try {
        const heard = await attempt(number);
        isGone = false;
        return heard;
      } catch (error) {
        const again = explain(error, what);
        if (signal?.aborted === true || !isPassing(error)) return again;
        if (isUnheard(error)) unheard = again;
        return unheard !== undefined && isGone ? again : { again };
      }
    });
    if (answer === unheard) isGone = true;
    return answer;
  }

  function manifest(repository: Repository, reference: string): Promise<Answer<ServedManifest>> {
    const path = pathOf(repository, `manifests/${reference}`);
    return patientlyAsk(path, async () => {
      const answer = await ask('GET', path, { headers: { accept: MANIFEST_ACCEPT } });
      if (answer.statusCode !== 200) return readRefusal(answer, path, isOffline(repository));
      const bytes = await readWhole(answer, CLIENT_BOUNDS.manifest, path);
      return readManifest(answer, bytes, reference);
    });
  }

  function isKept(repository: Repository, { digest }: Content): Promise<Answer<boolean>> {
    const path = pathOf(repository, `blobs/${digest}`);
    return patientlyAsk(path, async () => {
      const answer = await ask('HEAD', path);
      if (answer.statusCode !== 200) return readRefusal(answer, path);
      await answer.body.dump();
      return got(answer.headers['cache-status'] === 'countersign; hit');
    });
  }

  function fetchBlob(
    repository: Repository,
    blob: Content,
    onBytes: (bytes: number) => void,
  ): Promise<Answer<Content>> {
    const path = pathOf(repository, `blobs/${blob.digest}`);
    return patientlyAsk(path, async (number) => {
      onBytes(0);
      if (number > CLIENT_BOUNDS.wholeAttempts && blob.size > 0) return lastByte(path, blob);
      const answer = await ask('GET', path);
      if (answer.statusCode !== 200) return readRefusal(answer, path);
      if (answer.headers['x-accel-redirect'] !== undefined) {
        await answer.body.dump();
        return got(blob);
      }
      let bytes = 0;
      for await (const chunk of proven(answer.body, blob)) onBytes((bytes += chunk.length));
      return got(blob);
    });
  }

  /** It comes after the proof, so that what goes wrong is answered with its reason and not with a short body. */
  async function lastByte(path: string, blob: Content): Promise<Answer<Content> | Again> {
    const options = { headers: { range: 'bytes=-1' }, headersTimeout: CLIENT_BOUNDS.wholeBlob };
    const answer = await ask('GET', path, options);
    if (answer.statusCode !== 206 && answer.statusCode !== 200) return readRefusal(answer, path);
    await readWhole(answer, 1, path);
    return got(blob);
  }

  async function* openBlob(repository: Repository, blob: Content): AsyncGenerator<Uint8Array> {
    const path = pathOf(repository, `blobs/${blob.digest}`);
    const answer = await patientlyAsk(path, async () => {
      const response = await ask('GET', path);
      return response.statusCode === 200 ? got(response) : readRefusal(response, path);
    });
    if (answer.outcome !== 'got') throw new Error(answer.message);
    const { body, headers } = answer.value;
    if (headers['x-accel-redirect'] === undefined) {
      yield* bytesOf(body);
      return;
    }
    await body.dump();
    if (openKept === undefined) throw new Error(`${blob.digest} is sent by another server alone`);
    yield* openKept(blob.digest);
  }

  return {
    manifest,
    isKept,
    fetchBlob,
    openBlob,
    referrers(repository, subject) {
      const first = pathOf(repository, `referrers/${subject}`);
      const { referrers: most } = CLIENT_BOUNDS;
      return readPages({ ask: pageOf(repository), first, most, itemsOf: referrersOf });
    },
    tags(repository) {
      const first = pathOf(repository, 'tags/list');
      const { tags: most } = CLIENT_BOUNDS;
      return readPages({ ask: pageOf(repository), first, most, itemsOf: tagsOf });
    },
  };

  function pageOf(repository: Repository): Pages<unknown>['ask'] {
    return (path) =>
      patientlyAsk(path, async () => {
        const answer = await ask('GET', path);
        if (answer.statusCode !== 200) return readRefusal(answer, path, isOffline(repository));
        const bytes = await readWhole(answer, CLIENT_BOUNDS.page, path);
        return got({ bytes, link: answer.headers['link']?.toString() });
      });
  }
}

/** Objects and arrays in a page of a list of tags, and members of one of them. */
const MAX_LISTED = 500_000;

interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly headersTimeout?: number;
}

function readManifest(
  { headers }: Dispatcher.ResponseData,
  bytes: Buffer,
  reference: string,
): Answer<ServedManifest> {
  if (isDigest(reference) && !digestMatches(bytes, reference)) {
    return { outcome: 'failed', message: `expected the manifest ${reference}, got another one` };
  }
  const digest = isDigest(reference) ? reference : digestOf(bytes);
  const warning = headers['warning']?.toString();
  try {
    const manifest = parseManifest(bytes, essence(headers['content-type']?.toString() ?? ''));
    return got({ bytes, digest, manifest, warning });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { outcome: 'failed', message: `${reference}: ${error.message}` };
  }
}

async function* bytesOf(body: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('expected a body of bytes');
    yield chunk;
  }
}

function tagsOf(page: Buffer): readonly string[] {
  // Google's registries add a map of every manifest to their lists.
  const json = parseJson(page, { maxContainers: MAX_LISTED, maxMembers: MAX_LISTED });
  const tags: unknown = isJsonObject(json) ? (json['tags'] ?? []) : undefined;
  if (!Array.isArray(tags)) throw new SyntaxError('expected a list of tags');
  return tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
}

function referrersOf(page: Buffer): readonly ListedReferrer[] {
  const index = parseManifest(page, '');
  if (index.kind !== 'index') throw new SyntaxError('expected an index of referrers');
  return index.manifests.map(({ digest, artifactType, annotations }) => ({
    ...{ digest, artifactType, annotations },
  }));
}
