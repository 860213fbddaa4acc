/** A registry upstream on a fake registry, closed when its test ends, and the errors that its tests expect. */
import type { Test } from 'tap';
import {
  createRegistryUpstream,
  type RegistryUpstream,
  type RegistryUpstreamOptions,
} from '../../src/upstream/registry-upstream.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream.ts';
import {
  startFakeRegistry,
  testCertificate,
  type FakeRegistry,
  type FakeRegistryOptions,
} from './fake-registry.ts';

export const REPOSITORY = 'team/app';

/** A fake registry that ends with its test. */
export async function openFakeRegistry(
  t: Test,
  options?: FakeRegistryOptions,
): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options);
  t.teardown(() => registry.close());
  return registry;
}

/** An upstream that pauses a millisecond between attempts; whatever `options` say comes last. */
export function openUpstream(
  t: Test,
  registry: { readonly url: string },
  options: Partial<RegistryUpstreamOptions> = {},
): RegistryUpstream {
  const upstream = createRegistryUpstream({
    name: 'registry.test',
    url: new URL(registry.url),
    insecureHttp: true,
    ca: testCertificate(),
    privateHosts: [],
    logger: { debug: () => undefined, warn: () => undefined },
    retry: { firstPause: 1, longestPause: 5 },
    ...options,
  });
  t.teardown(() => upstream.close());
  return upstream;
}

/** Awaits an {@link UpstreamError} of the code and gives it for a closer look. */
export async function expectFailure(
  t: Test,
  promise: Promise<unknown>,
  code: UpstreamErrorCode,
): Promise<UpstreamError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof UpstreamError)) {
    throw new Error(`expected an UpstreamError ${code}`, { cause: outcome });
  }
  t.equal(outcome.code, code, outcome.message);
  return outcome;
}

export async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
