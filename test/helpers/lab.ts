/** What most tests of the whole proxy start from: one upstream `lab.local`, one trusted key, one rule that demands it. */
import type { Test } from 'tap';
import { putImage, type ImageOptions, type PutImage } from './image.ts';
import { openFakeRegistry } from './open-upstream.ts';
import { startProxy, type Answer, type Proxy, type ProxyOptions, type TestRule } from './proxy.ts';
import { cosign2, createSigner, rootOf, type Signer } from './signer.ts';
import type { TrustRoot } from '../../src/trust/trust-root.ts';
import type { FakeRegistry, FakeRegistryOptions } from './fake-registry.ts';

export const TEAM = 'team/app';

/** Requires the key of {@link Lab.signer}. */
export const SIGNED = { require: { key: { trustRoot: 'release' } } } as const;

export interface LabOptions extends Partial<ProxyOptions> {
  readonly registry?: FakeRegistryOptions;
  /** Laid over the one rule. */
  readonly rule?: Partial<TestRule>;
}

type Ask = (what: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;

export interface Lab {
  readonly registry: FakeRegistry;
  readonly proxy: Proxy;
  /** Whose key the rule trusts. */
  readonly signer: Signer;
  /** To open another proxy on the same cache. */
  readonly trustRoots: readonly TrustRoot[];
  /** Whose key nobody trusts. */
  readonly stranger: Signer;
  readonly image: (name: string, options?: ImageOptions) => PutImage;
  /** An image with a good `.sig`. */
  readonly signed: (name: string, options?: ImageOptions) => PutImage;
  /** GET of `manifests/…`, `blobs/…` and the like in {@link TEAM}. */
  readonly get: Ask;
  readonly head: Ask;
}

export async function openLab(t: Test, options: LabOptions = {}): Promise<Lab> {
  const { registry: registryOptions, rule, ...proxyOptions } = options;
  const registry = await openFakeRegistry(t, registryOptions);
  const signer = createSigner();
  const trustRoots = options.trustRoots ?? [rootOf('release', signer)];
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: [{ name: 'releases', match: ['lab.local/**'], ...(rule ?? SIGNED) }],
    ...proxyOptions,
    trustRoots,
  });
  return {
    registry,
    proxy,
    signer,
    trustRoots,
    stranger: createSigner(),
    image: (name, imageOptions) => putImage(registry, TEAM, name, imageOptions),
    signed(name, imageOptions) {
      const image = putImage(registry, TEAM, name, imageOptions);
      cosign2(registry, TEAM, image.digest, signer);
      return image;
    },
    get: (what, headers) => proxy.get(`/v2/lab.local/${TEAM}/${what}`, headers),
    head: (what, headers) => proxy.head(`/v2/lab.local/${TEAM}/${what}`, headers),
  };
}

/** Status and OCI code in one line, for comparisons. */
export function told({ status, error }: Answer): string {
  return error === undefined ? String(status) : `${status} ${error.code}`;
}
