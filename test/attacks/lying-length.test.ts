/**
 * An upstream that does not say how long a blob is, or says something else than it sends. A proxy that believes such a
 * length promises it to its client, ends the body there, or takes what came for the whole. Here the length is what the
 * admitted manifest says: an upstream that says nothing is heard to the end, what is missing is asked for, and one that
 * says something else is refused.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import type { BlobFault } from '../helpers/faulty-answer.ts';
import { startFaultyRegistry } from '../helpers/faulty-registry.ts';
import { putImage } from '../helpers/image.ts';
import { openLab, TEAM } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { rawGet } from '../helpers/raw-http.ts';
import { cosign2 } from '../helpers/signer.ts';
import { contentOf } from '../store/sources.ts';

const LAYER = contentOf(300_000);
const HALF = 150_000;

/** One GET of the layer, whose upstream answers with these faults in turn. */
async function pull(t: Test, faults: readonly BlobFault[]) {
  const registry = await openFakeRegistry(t);
  const image = putImage(registry, TEAM, 'app', { tag: 'v1', layers: [LAYER] });
  const faulty = await startFaultyRegistry(t, registry);
  const { proxy, signer, get } = await openLab(t, {
    upstreams: { 'lab.local': faulty },
    blobs: { delay: () => Promise.resolve() },
  });
  cosign2(registry, TEAM, image.digest, signer);
  await get('manifests/v1');
  const [layer = image.digest] = image.layers;
  faulty.plan(layer, faults);
  const { status, headers, body } = await rawGet(proxy.url, `/v2/lab.local/${TEAM}/blobs/${layer}`);
  await proxy.close();
  const hex = digestHex(layer);
  const isKept = existsSync(join(proxy.path, 'v1', 'blobs', 'sha256', hex.slice(0, 2), hex));
  const answers = faulty.answers.filter(({ digest }) => digest === layer);
  return { status, headers, body, isKept, ranges: answers.map(({ range }) => range) };
}

const handled: Record<string, { faults: readonly BlobFault[]; ranges: (string | undefined)[] }> = {
  'in chunks, of no declared length': {
    faults: [{ kind: 'uncounted', coding: 'chunked' }],
    ranges: [undefined],
  },
  'of no declared length, until the connection ends': {
    faults: [{ kind: 'uncounted', coding: 'until-close' }],
    ranges: [undefined],
  },
  'in chunks that end early as if that were all': {
    faults: [{ kind: 'uncounted', coding: 'chunked', at: HALF }],
    ranges: [undefined, `bytes=${HALF}-`],
  },
  'of no declared length whose connection ends early': {
    faults: [{ kind: 'uncounted', coding: 'until-close', at: HALF }],
    ranges: [undefined, `bytes=${HALF}-`],
  },
  'in two halves, neither of a declared length': {
    faults: [
      { kind: 'uncounted', coding: 'chunked', at: HALF },
      { kind: 'uncounted', coding: 'chunked' },
    ],
    ranges: [undefined, `bytes=${HALF}-`],
  },
};

for (const [what, { faults, ranges }] of Object.entries(handled)) {
  t.test(`a blob ${what} is served whole, with the manifest's length`, async (t) => {
    const answer = await pull(t, faults);
    t.equal(answer.status, 200);
    t.ok(answer.headers.includes(`content-length: ${LAYER.length}`));
    t.notOk(answer.headers.some((line) => line.startsWith('transfer-encoding')));
    t.ok(answer.body.equals(LAYER));
    t.ok(answer.isKept);
    t.strictSame(answer.ranges, ranges, 'nothing is asked for twice');
  });
}

t.test(
  'a blob whose connection ends before its declared length is asked for where it broke',
  async (t) => {
    const answer = await pull(t, [{ kind: 'ends', at: HALF }]);
    t.ok(answer.body.equals(LAYER));
    t.ok(answer.isKept);
    const [first, second] = answer.ranges;
    t.equal(first, undefined);
    // What came with the end of the connection may be lost with it.
    t.ok(Number(/\d+/.exec(second ?? '')?.[0] ?? 0) <= HALF, `then ${second ?? 'the whole'}`);
    t.equal(answer.ranges.length, 2);
  },
);

for (const by of [-1, 1, 100_000]) {
  t.test(
    `a Content-Length that is wrong by ${by} is refused before a byte is served`,
    async (t) => {
      const answer = await pull(t, [{ kind: 'miscounts', by }]);
      t.equal(answer.status, 502);
      t.match(JSON.parse(answer.body.toString()), { errors: [{ code: 'DIGEST_INVALID' }] });
      t.notOk(answer.isKept);
      t.equal(answer.ranges.length, 1, 'and not asked for again');
    },
  );

  t.test(`the rest of a blob whose total is wrong by ${by} ends it`, async (t) => {
    const faults: BlobFault[] = [
      { kind: 'uncounted', coding: 'chunked', at: HALF },
      { kind: 'miscounts', by },
    ];
    const answer = await pull(t, faults);
    t.ok(answer.status === 502 || answer.body.length <= HALF, 'a short body or none');
    t.notOk(answer.isKept);
  });
}

for (const coding of ['chunked', 'until-close'] as const) {
  t.test(
    `a blob of no declared length that goes on after its end ends short (${coding})`,
    async (t) => {
      const answer = await pull(t, [{ kind: 'uncounted', coding, more: 1 }]);
      t.ok(answer.status === 502 || answer.body.length < LAYER.length, 'a short body or an error');
      t.notOk(answer.isKept);
    },
  );
}
