/** What a decision keeps of the signatures that it opened: as much as is useful, and no more than its bound. */
import { Readable } from 'node:stream';
import t from 'tap';
import { KEPT_CONTENT } from '../../src/admission/bounds.ts';
import { createUpstreamSource } from '../../src/admission/upstream-source.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { contentOf, sourceOf } from '../store/sources.ts';

/** An upstream that has these blobs, and counts who opens one. */
function open(...blobs: readonly Buffer[]) {
  const opened: string[] = [];
  const upstream: Pick<Upstream, 'openBlob'> = {
    openBlob: (_, digest) => {
      opened.push(digest);
      const found = blobs.find((blob) => digestOf(blob) === digest) ?? Buffer.alloc(0);
      return Promise.resolve({
        size: found.length,
        offset: 0,
        body: Readable.from([found]),
        cancel: () => undefined,
      });
    },
  };
  const repository = parseRepository('lab.local', 'team/app');
  const signal = new AbortController().signal;
  return { opened, source: createUpstreamSource(upstream as Upstream, repository, signal) };
}

function descriptorOf(content: Buffer): Descriptor {
  return {
    mediaType: 'application/octet-stream',
    digest: digestOf(content),
    size: content.length,
  };
}

t.test('content is fetched once and kept', async (t) => {
  const content = Buffer.from('signature');
  const { opened, source } = open(content);
  t.match(await source.findContent(descriptorOf(content)), { kind: 'found', value: content });
  t.match(await source.findContent(descriptorOf(content)), { kind: 'found', value: content });
  t.equal(opened.length, 1);
  t.equal(source.contents.size, 1);
});

t.test('content that comes in pieces of memory that is used again is whole', async (t) => {
  const content = contentOf(100_000);
  const body = sourceOf(content);
  const { signal } = new AbortController();
  const upstream: Pick<Upstream, 'openBlob'> = {
    openBlob: async () => ({ ...(await body(0, signal)), cancel: () => undefined }),
  };
  const repository = parseRepository('lab.local', 'team/app');
  const source = createUpstreamSource(upstream as Upstream, repository, signal);
  t.match(await source.findContent(descriptorOf(content)), { kind: 'found', value: content });
});

t.test('what goes over the bound is read, and not kept', async (t) => {
  const large = Buffer.alloc(KEPT_CONTENT - 10, 1);
  const [small, tiny] = [Buffer.alloc(11, 2), Buffer.alloc(10, 3)];
  const { opened, source } = open(large, small, tiny);
  for (const content of [large, small, tiny, small]) {
    t.match(await source.findContent(descriptorOf(content)), { kind: 'found' });
  }
  t.equal(opened.length, 4, 'the one that did not fit is fetched again');
  t.strictSame([...source.contents.keys()], [digestOf(large), digestOf(tiny)]);
});
