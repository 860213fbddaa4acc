import t from 'tap';
import { proven } from '../../src/layout/proven.ts';
import { digestOf } from '../../src/oci/digest.ts';

const bytes = Buffer.from('some content');
const digest = digestOf(bytes);

/** What comes out before the end, or the error in its place. */
async function read(pieces: readonly Buffer[], size: number) {
  async function* body() {
    yield* pieces;
  }
  let text = '';
  try {
    for await (const chunk of proven(body(), { digest, size }))
      text += Buffer.from(chunk).toString();
    return { text };
  } catch (error) {
    return { text, error: error instanceof Error ? error.message : '' };
  }
}

t.test('content that is what it should be passes', async (t) => {
  const pieces = [bytes.subarray(0, 4), bytes.subarray(4)];
  t.strictSame(await read(pieces, bytes.length), { text: 'some content' });
});

t.test(
  'less, more and other content end in an error, and nothing beyond the size passes',
  async (t) => {
    t.match(await read([bytes.subarray(1)], bytes.length), { error: /12 bytes, got 11/ });
    const endless = await read([bytes, bytes, bytes], bytes.length);
    t.match(endless, { text: 'some content', error: /12 bytes, got more/ });
    const other = Buffer.from('same Content');
    t.match(await read([other], other.length), { error: /expected content of .*, got sha256:/ });
  },
);
