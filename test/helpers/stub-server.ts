/** The `/v2/` surface alone, over an admission that tests make up. */
import type { Test } from 'tap';
import type { Admission } from '../../src/admission/admission.ts';
import type { Refused, RefusalCode } from '../../src/admission/decision.ts';
import { refuse } from '../../src/admission/refusal.ts';
import { startRegistryServer, type RegistryServer } from '../../src/http/server.ts';
import type { Observer, Origin } from '../../src/http/serving.ts';
import type { BlobReader } from '../../src/store/blob-store.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';

export interface StubOptions {
  /** What is not given refuses as absent. */
  readonly admission?: Partial<Admission>;
  readonly origins?: ReadonlyMap<string, Origin>;
  readonly observer?: Partial<Observer>;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly locate?: (digest: Digest) => string;
}

export function refused(code: RefusalCode = 'absent'): Refused {
  return refuse(code, 'lab.local/a:v1', ['because'], 'Advice.');
}

export async function startStub(t: Test, options: StubOptions = {}): Promise<RegistryServer> {
  const admission: Admission = {
    peek: () => undefined,
    admit: async () => refused(),
    admitBlob: async () => refused(),
    prefetch: () => undefined,
    findReferrers: async () => [],
    admitTagList: () => undefined,
    listPinned: async () => undefined,
    forget: () => undefined,
    reverify: async () => 'open',
    ...options.admission,
  };
  const origins = options.origins ?? new Map<string, Origin>();
  const has = (name: string): boolean => name === 'lab.local' || origins.has(name);
  const serving = { admission, upstreams: { has, default: 'lab.local' }, origins };
  const nothing = (): void => undefined;
  const server = await startRegistryServer({
    host: '127.0.0.1',
    port: 0,
    tls: options.tls,
    locate: options.locate,
    current: () => serving,
    observer: {
      pull: nothing,
      blobServed: nothing,
      digestMismatch: nothing,
      request: nothing,
      ...options.observer,
    },
    logger: { debug: nothing, warn: nothing, error: nothing },
  });
  t.teardown(() => server.close());
  return server;
}

/** An admission that grants one blob, read by this reader. */
export function granting(reader: BlobReader): Partial<Admission> {
  return {
    admitBlob: async (_repository, digest) => ({
      outcome: 'granted',
      digest,
      mediaType: 'application/octet-stream',
      size: reader.size,
      open: async () => ({ reader, cached: true }),
      openKept: async () => reader,
      isKept: async () => true,
      explain: () => refused('unreachable'),
    }),
  };
}

export const ANY_BLOB = `/v2/lab.local/a/blobs/${digestOf(Buffer.from('any'))}`;

/** A reader over bytes in memory that hands out at most `step` of them at a time and counts its ends. */
export function memoryReader(
  bytes: Buffer,
  step = Number.POSITIVE_INFINITY,
): BlobReader & { readonly closed: () => number } {
  let closed = 0;
  return {
    size: bytes.length,
    async read(target, position) {
      const length = Math.min(step, target.length, bytes.length - position);
      return bytes.copy(target, 0, position, position + length);
    },
    async close() {
      closed += 1;
    },
    closed: () => closed,
  };
}
