/** What every implementation and decorator of Upstream promises, on a registry that a test may spoil. */
import t, { type Test } from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';
import type { FaultAction } from '../helpers/fake-registry-reply.ts';
import { expectFailure, openFakeRegistry, readAll } from '../helpers/open-upstream.ts';

const PATH = 'team/app';
const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' };
const ABSENT = digestOf(Buffer.from('absent'));

/** Runs the conformance tests; `open` gives an upstream named `registry.test` on the registry, closed by its test. */
export function upstreamConformance(
  name: string,
  open: (test: Test, registry: FakeRegistry) => Promise<Upstream> | Upstream,
): void {
  async function opened(test: Test) {
    const registry = await openFakeRegistry(test, { referrersApi: true });
    return { registry, upstream: await open(test, registry) };
  }

  t.test(`${name} has the name of its registry`, async (t) => {
    const { upstream } = await opened(t);
    t.equal(upstream.name, 'registry.test');
    t.not(upstream.isOffline, true);
    t.not(upstream.hasRoom?.(), false);
  });

  t.test(`${name} gives manifests as they are, by tag and by digest`, async (t) => {
    const { registry, upstream } = await opened(t);
    const { digest, bytes } = registry.putManifest(PATH, MANIFEST, { tag: 'v1' });
    t.equal((await upstream.resolve(PATH, 'v1')).digest, digest);
    for (const reference of ['v1', digest]) {
      const fetched = await upstream.fetchManifest(PATH, reference);
      t.same(fetched.bytes, bytes);
      t.equal(fetched.digest, digest);
      t.equal(fetched.contentType, MANIFEST.mediaType);
    }
  });

  t.test(`${name} opens blobs from any offset`, async (t) => {
    const { registry, upstream } = await opened(t);
    const digest = registry.putBlob(PATH, 'hello world');
    for (const offset of [0, 6]) {
      const stream = await upstream.openBlob(PATH, digest, { offset });
      t.equal(stream.size, 11);
      t.equal(stream.offset, offset);
      t.equal((await readAll(stream.body)).toString(), 'hello world'.slice(offset));
    }
  });

  t.test(`${name} lists what refers to a digest`, async (t) => {
    const { registry, upstream } = await opened(t);
    const subject = registry.putManifest(PATH, MANIFEST);
    const { mediaType } = MANIFEST;
    const { digest } = registry.putManifest(PATH, {
      ...MANIFEST,
      subject: { mediaType, digest: subject.digest, size: subject.bytes.length },
    });
    t.match(await upstream.referrers(PATH, subject.digest), [{ digest }]);
    t.strictSame(await upstream.referrers(PATH, digest), []);
  });

  t.test(`${name} knows a registry without the Referrers API`, async (t) => {
    const registry = await openFakeRegistry(t);
    const upstream = await open(t, registry);
    t.equal(await upstream.referrers(PATH, ABSENT), undefined);
  });

  t.test(`${name} says what is not there, and again`, async (t) => {
    const { upstream } = await opened(t);
    for (let time = 0; time < 2; time++) {
      await expectFailure(t, upstream.resolve(PATH, 'v9'), 'not-found');
      await expectFailure(t, upstream.fetchManifest(PATH, 'v9'), 'not-found');
      await expectFailure(t, upstream.fetchManifest(PATH, ABSENT), 'not-found');
      await expectFailure(t, upstream.openBlob(PATH, ABSENT), 'not-found');
    }
  });

  const troubles: Readonly<
    Record<string, readonly [FaultAction, ...Parameters<typeof expectFailure>[2][]]>
  > = {
    401: [{ kind: 'status', status: 401 }, 'unauthorized'],
    403: [{ kind: 'status', status: 403 }, 'unauthorized'],
    429: [{ kind: 'status', status: 429, headers: { 'retry-after': '7' } }, 'rate-limited'],
    500: [{ kind: 'status', status: 500 }, 'unreachable'],
    'a lost connection': [{ kind: 'reset' }, 'unreachable'],
    'a redirect to where it may not go': [
      { kind: 'redirect', to: 'http://169.254.169.254/latest' },
      'refused-target',
    ],
  };
  for (const [what, [fault, code = 'unreachable']] of Object.entries(troubles)) {
    t.test(`${name} calls ${what} by its name, as often as it is asked`, async (t) => {
      const { registry, upstream } = await opened(t);
      registry.fault(/./, fault);
      for (let time = 0; time < 4; time++) {
        const error = await expectFailure(t, upstream.resolve(PATH, 'v1'), code);
        if (code === 'rate-limited') t.ok([7, 8].includes(error.retryAfter ?? 0));
        await expectFailure(t, upstream.fetchManifest(PATH, ABSENT), code);
        await expectFailure(t, upstream.openBlob(PATH, ABSENT), code);
      }
    });
  }

  t.test(`${name} keeps to the bounds and the signal of whoever asks`, async (t) => {
    const { registry, upstream } = await opened(t);
    const { digest } = registry.putManifest(PATH, MANIFEST, { tag: 'v1' });
    await expectFailure(t, upstream.fetchManifest(PATH, digest, { maxBytes: 10 }), 'too-large');
    const signal = AbortSignal.abort();
    await expectFailure(t, upstream.resolve(PATH, 'v1', { signal }), 'aborted');
    await expectFailure(t, upstream.fetchManifest(PATH, digest, { signal }), 'aborted');
    await upstream.fetchManifest(PATH, digest);
  });

  t.test(`${name} does not take other bytes than a digest names`, async (t) => {
    const { registry, upstream } = await opened(t);
    const { digest } = registry.putManifest(PATH, MANIFEST);
    registry.fault(/manifests/, { kind: 'corrupt', at: 3 });
    await expectFailure(t, upstream.fetchManifest(PATH, digest), 'digest-mismatch');
  });
}
