/** A SignatureSource over a fake registry's content, without a network: it logs what it is asked and fails on demand. */
import { parseDescriptor, type Descriptor } from '../../src/oci/descriptor.ts';
import type { Subject } from '../../src/verify/candidate.ts';
import {
  SourceError,
  type Answer,
  type SignatureSource,
  type SourceManifest,
} from '../../src/verify/signature-source.ts';
import { createFakeContent, type FakeContent } from '../helpers/fake-registry-content.ts';
import { putImage } from '../helpers/image.ts';

export const REPOSITORY = 'team/app';

export interface MemorySource extends SignatureSource {
  readonly content: FakeContent;
  /** `tag X`, `manifest X`, `content X`, `referrers X`, in the order they were asked for. */
  readonly asked: readonly string[];
  /** Whatever matches cannot be looked at. */
  fail(pattern: RegExp): void;
  /** Whatever matches is never answered. */
  stall(pattern: RegExp): void;
  /** Lists these instead of what the content has. */
  list(descriptors: readonly object[]): void;
}

export interface MemoryOptions {
  readonly referrersApi?: boolean;
  readonly fallbackTags?: boolean;
}

export function createMemorySource(options: MemoryOptions = {}): MemorySource {
  const content = createFakeContent(options.fallbackTags ?? false);
  const asked: string[] = [];
  const failing: RegExp[] = [];
  const stalled: RegExp[] = [];
  let listed: readonly object[] | undefined;

  async function look<T>(what: string, find: () => Answer<T>): Promise<Answer<T>> {
    asked.push(what);
    if (stalled.some((pattern) => pattern.test(what))) await new Promise(() => undefined);
    if (failing.some((pattern) => pattern.test(what))) {
      throw new SourceError('unreachable', `${what}: no answer`);
    }
    return find();
  }

  function manifest(reference: string, maxBytes: number): Answer<SourceManifest> {
    const found = content.manifest(REPOSITORY, reference);
    if (found === undefined) return { kind: 'absent' };
    if (found.bytes.length > maxBytes) return { kind: 'refused', reason: 'it is too large' };
    const { digest, bytes, mediaType } = found;
    return { kind: 'found', value: { digest, bytes, contentType: mediaType } };
  }

  return {
    content,
    asked,
    fail: (pattern) => failing.push(pattern),
    stall: (pattern) => stalled.push(pattern),
    list: (descriptors) => {
      listed = descriptors;
    },
    findTag: (tag, maxBytes) => look(`tag ${tag}`, () => manifest(tag, maxBytes)),
    findManifest: (digest, maxBytes) =>
      look(`manifest ${digest}`, () => manifest(digest, maxBytes)),
    findReferrers: (subject) =>
      look<readonly Descriptor[]>(`referrers ${subject}`, () => {
        if (options.referrersApi !== true) return { kind: 'absent' };
        const all = listed ?? content.referrers(REPOSITORY, subject);
        return { kind: 'found', value: all.map(parseDescriptor) };
      }),
    findContent: ({ digest, size }) =>
      look(`content ${digest}`, () => {
        const value = content.blob(REPOSITORY, digest);
        if (value === undefined) return { kind: 'absent' };
        if (value.length !== size) return { kind: 'refused', reason: 'it has another size' };
        return { kind: 'found', value };
      }),
  };
}

/** An image in the source, as the subject of its signatures. */
export function putSubject(
  source: MemorySource,
  name = 'app',
): Subject & { readonly size: number } {
  const { digest, size } = putImage(source.content, REPOSITORY, name);
  const bytes = source.content.manifest(REPOSITORY, digest)?.bytes;
  if (bytes === undefined) throw new Error('expected the image that was just put');
  return { digest, bytes, size };
}
