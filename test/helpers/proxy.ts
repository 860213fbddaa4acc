/** A whole proxy in the test's process, over fake registries: real HTTP in front, real HTTP behind, a clock to turn. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { request } from 'undici';
import { createAdmission, type Admission } from '../../src/admission/admission.ts';
import { openExceptions } from '../../src/admission/exceptions.ts';
import type { TagMove } from '../../src/admission/tag-moves.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { startRegistryServer } from '../../src/http/server.ts';
import type { Observer, PullDecision, PullRequest, Serving } from '../../src/http/serving.ts';
import { reverify, type Reverified } from '../../src/admission/reverification.ts';
import type { BlobStore } from '../../src/store/blob-store.ts';
import type { Exception } from '../../src/policy/exception.ts';
import { parsePolicy, type Policy, type RuleSpec } from '../../src/policy/rule.ts';
import type { TagRule } from '../../src/policy/tag-rule.ts';
import { openDiskBlobStore, type DiskBlobStoreOptions } from '../../src/store/disk-blob-store.ts';
import type { Records } from '../../src/store/records.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import type { FetchBytes } from '../../src/verify/notation/revocation/fetch-bytes.ts';
import type { RevocationCheck } from '../../src/verify/notation/revocation/revocation.ts';
import { createRevocationCheck } from '../../src/verify/notation/revocation/revocation-check.ts';
import type { NotationRoot } from '../../src/trust/notation-root.ts';
import type { TrustRoot } from '../../src/trust/trust-root.ts';
import { rememberAbsences } from '../../src/upstream/absence-memory.ts';
import type { CircuitLimits } from '../../src/upstream/bounds.ts';
import { mirrorUpstream } from '../../src/upstream/mirrored-upstream.ts';
import {
  createRegistryUpstream,
  type RegistryUpstreamOptions,
} from '../../src/upstream/registry-upstream.ts';
import { createSparedUpstream } from '../../src/upstream/spared-upstream.ts';
import { testCertificate } from './fake-registry.ts';
import { REVERIFY, TAG_RULE } from './tag-rule.ts';
import { testdir } from './testdir.ts';

/** A rule without what every rule has. */
export type TestRule = Partial<Omit<RuleSpec, 'tags'>> & {
  readonly match: readonly string[];
  readonly tags?: Partial<TagRule>;
};

export interface ProxyOptions {
  /** Fake registries by upstream name; the first is the default. */
  readonly upstreams: Readonly<Record<string, { readonly url: string }>>;
  /** Further fake registries that are mirrors of every upstream. */
  readonly mirrors?: readonly { readonly url: string }[];
  readonly policies: readonly TestRule[];
  readonly trustRoots?: readonly TrustRoot[];
  readonly exceptions?: readonly Exception[];
  /** Asks about certificates, in the place of what is made with `fetchBytes`. */
  readonly revocation?: (root: NotationRoot) => RevocationCheck;
  /** Upstreams are left alone when they fail, and asked rarely for what is not there, as the program has them. */
  readonly spared?: CircuitLimits;
  /** Laid over the options of every upstream. */
  readonly upstream?: Partial<RegistryUpstreamOptions>;
  /** Asks for revocation answers; without it nobody is asked but the lists of the trust roots. */
  readonly fetchBytes?: FetchBytes;
  /** The cache folder, to keep it over a restart; a new one unless told. */
  readonly path?: string;
  /** Where nginx would find a blob, to hand it over. */
  readonly locate?: (digest: Digest) => string;
  /** Laid over the options of the blob store. */
  readonly blobs?: Partial<DiskBlobStoreOptions>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** The HTTP reason phrase. */
  readonly phrase: string;
  /** Of an OCI error. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface Proxy {
  readonly url: string;
  readonly path: string;
  readonly admission: Admission;
  readonly pulls: readonly (PullRequest & PullDecision)[];
  readonly mismatches: readonly string[];
  /** Rules of images that were withdrawn, as they are told. */
  readonly withdrawn: readonly string[];
  /** A round of verifying again what is due; what became of each image. */
  reverify(): Promise<readonly Reverified[]>;
  /** Of tags, as they are told. */
  readonly moves: readonly TagMove[];
  /** To take something away behind its back. */
  readonly blobs: BlobStore;
  /** To look into, and to write into as another process would: what is in memory is then forgotten. */
  readonly records: Records;
  /** Milliseconds since the epoch; tests turn it. */
  now: number;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  head(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Puts other rules in place, as a reload does. */
  reload(
    policies: readonly TestRule[],
    trustRoots?: readonly TrustRoot[],
    exceptions?: readonly Exception[],
  ): void;
  /** Warnings of the log, as they are told. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

const never = new AbortController().signal;
const pause = async (): Promise<void> => undefined;
const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Starts it; it ends with the test at the latest. */
export async function startProxy(t: Test, options: ProxyOptions): Promise<Proxy> {
  const path = options.path ?? testdir(t);
  const pulls: (PullRequest & PullDecision)[] = [];
  const mismatches: string[] = [];
  const moves: TagMove[] = [];
  const withdrawn: string[] = [];
  let now = Date.UTC(2026, 0, 1);
  const { spared } = options;
  const connect = (name: string, { url }: { readonly url: string }) => {
    const upstreamOptions = {
      name,
      url: new URL(url),
      insecureHttp: url.startsWith('http:'),
      ca: testCertificate(),
      privateHosts: [],
      logger: quiet,
      retry: { firstPause: 1, longestPause: 5 },
      ...options.upstream,
    };
    if (spared === undefined) return createRegistryUpstream(upstreamOptions);
    const clock = (): number => now;
    const place = { ...upstreamOptions, logger: quiet, clock, random: () => 0, circuit: spared };
    return rememberAbsences(createSparedUpstream(place), { clock, identity: async () => '' });
  };
  const upstreams = new Map(
    Object.entries(options.upstreams).map(([name, registry]) => {
      const mirrors = (options.mirrors ?? []).map((mirror) => ({
        place: connect(`mirror of ${name}`, mirror),
        isPreferred: false,
        knowsTags: false,
      }));
      const upstream = connect(name, registry);
      return [name, mirrors.length === 0 ? upstream : mirrorUpstream(upstream, mirrors, quiet)];
    }),
  );
  const blobs = await openDiskBlobStore({ path, ...options.blobs });
  const records = await openSqliteRecords({ file: join(path, 'records.sqlite') });
  const [first] = Object.keys(options.upstreams);

  let current: Policy = { rules: [] };

  const warnings: string[] = [];
  const logger = {
    ...quiet,
    warn: (_about: unknown, text?: string) => void warnings.push(text ?? ''),
  };

  function serve(
    policies: readonly TestRule[],
    roots: readonly TrustRoot[],
    exceptions: readonly Exception[],
  ): Serving {
    const trustRoots = new Map(roots.map((root) => [root.name, root]));
    const rules = policies.map((rule, index) => ({
      name: `rule ${index + 1}`,
      reverify: REVERIFY,
      mode: 'enforce' as const,
      ...rule,
      tags: { ...TAG_RULE, ...rule.tags },
    }));
    const policy = parsePolicy(rules, trustRoots);
    const admission = createAdmission({
      policy,
      trustRoots,
      exceptions: openExceptions(exceptions, () => now),
      upstreams,
      blobs,
      records,
      clock: () => now,
      onTagMove: (move) => moves.push(move),
      onWithdrawn(rule) {
        serving.admission.forget();
        withdrawn.push(rule);
      },
      logger,
      revocation:
        options.revocation ??
        (({ revocationLists }) =>
          createRevocationCheck({ revocationLists, fetchBytes: options.fetchBytes })),
    });
    current = policy;
    const names = { has: (name: string) => upstreams.has(name), default: first };
    return { admission, upstreams: names, origins: upstreams };
  }

  let serving = serve(options.policies, options.trustRoots ?? [], options.exceptions ?? []);
  const observer: Observer = {
    pull: (request, decision) => pulls.push({ ...request, ...decision }),
    blobServed: () => undefined,
    digestMismatch: (registry) => mismatches.push(registry),
    request: () => undefined,
  };
  const server = await startRegistryServer({
    host: '127.0.0.1',
    port: 0,
    locate: options.locate,
    current: () => serving,
    observer,
    logger: quiet,
  });

  async function ask(
    method: 'GET' | 'HEAD',
    target: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await request(`${server.url}${target}`, { method, headers: { ...headers } });
    const body = Buffer.from(await response.body.arrayBuffer());
    const isError =
      response.headers['content-type'] === 'application/json' && response.statusCode >= 400;
    const errors =
      isError && body.length > 0
        ? (JSON.parse(body.toString()) as { errors: Answer['error'][] })
        : undefined;
    return {
      status: response.statusCode,
      headers: response.headers,
      body,
      phrase: response.statusText,
      error: errors?.errors[0],
    };
  }

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    await server.close();
    await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
    await blobs.close();
    await records.close();
  }
  const proxy: Proxy = {
    url: server.url,
    path,
    get admission() {
      return serving.admission;
    },
    pulls,
    mismatches,
    moves,
    withdrawn,
    blobs,
    async reverify() {
      const outcomes: Reverified[] = [];
      const told = { onReverified: (outcome: Reverified) => outcomes.push(outcome) };
      const others = { records, blobs, clock: () => now, logger: quiet, ...told };
      const inForce = () => ({ policy: current, admission: serving.admission, ...others, pause });
      await reverify(inForce, never);
      return outcomes;
    },
    records,
    get now() {
      return now;
    },
    set now(value) {
      now = value;
    },
    get: (target, headers) => ask('GET', target, headers),
    head: (target, headers) => ask('HEAD', target, headers),
    warnings,
    reload(policies, trustRoots, exceptions) {
      serving = serve(
        policies,
        trustRoots ?? options.trustRoots ?? [],
        exceptions ?? options.exceptions ?? [],
      );
    },
    close: () => (closed ??= close()),
  };
  t.teardown(() => proxy.close());
  return proxy;
}
