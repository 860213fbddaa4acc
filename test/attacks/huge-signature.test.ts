/**
 * A "signature" of a gigabyte (CVE-2024-29902: cosign read attachments into memory without a bound). Its size is
 * declared, or the declaration is small and the registry simply never stops sending.
 *
 * What declares too much is not fetched; what sends more than it declares is dropped there and then.
 */
import t, { type Test } from 'tap';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { answerWithoutEnd, startFront, type Answerer } from '../helpers/front.ts';
import { openLab, TEAM, told, type LabOptions } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { putImage } from '../helpers/image.ts';
import {
  BUNDLE_TYPE,
  cosign2,
  createSigner,
  digestOfText,
  putBundle,
  rootOf,
  SIMPLE_LAYER,
} from '../helpers/signer.ts';

const GIGABYTE = 1_000_000_000;
const MiB = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 0x20);
/** What sockets, kernel and undici may hold of a body that nobody reads. */
const IN_FLIGHT = 16 * MiB;

t.test('a .sig layer that declares a gigabyte is not fetched', async (t) => {
  const { registry, image, get } = await openLab(t);
  const app = image('app', { tag: 'v1' });
  const config = registry.putBlob(TEAM, '{}');
  const digest = digestOfText('a gigabyte');
  const layers = [{ mediaType: SIMPLE_LAYER, digest, size: GIGABYTE }];
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
    layers,
  };
  registry.putManifest(TEAM, manifest, { tag: `${app.digest.replace(':', '-')}.sig` });
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, `it declares ${GIGABYTE} bytes`);
  t.equal(registry.asked(/\/blobs\//).length, 0);
});

t.test('a bundle layer that declares a gigabyte is not fetched', async (t) => {
  const { registry, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const app = image('app', { tag: 'v1' });
  const layers = [{ mediaType: BUNDLE_TYPE, digest: digestOfText('a gigabyte'), size: GIGABYTE }];
  putBundle(registry, TEAM, app, {}, { layers });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(registry.asked(/\/blobs\//).length, 0);
});

t.test('a referrer whose descriptor declares a gigabyte is not fetched', async (t) => {
  const { registry, image, get } = await openLab(t);
  const app = image('app', { tag: 'v1' });
  const child = digestOfText('a gigabyte');
  const manifests = [{ mediaType: OCI_MANIFEST, digest: child, size: GIGABYTE }];
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  registry.putManifest(TEAM, index, { tag: app.digest.replace(':', '-') });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(registry.asked(new RegExp(child)).length, 0);
});

/** A proxy over a registry of which one kind of answer never ends, and an image signed by the trusted key. */
async function openEndless(t: Test, ends: (path: string) => string | undefined) {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const image = putImage(registry, TEAM, 'app', { tag: 'v1' });
  cosign2(registry, TEAM, image.digest, signer);
  const answers: Answerer = ({ method, url = '' }, response) => {
    const type = method === 'GET' ? ends(url) : undefined;
    return type !== undefined && answerWithoutEnd(response, { 'content-type': type }, PIECE);
  };
  const front = await startFront(t, registry, answers);
  const options: LabOptions = {
    upstreams: { 'lab.local': front },
    trustRoots: [rootOf('release', signer)],
  };
  return { front, lab: await openLab(t, options) };
}

const endless: Readonly<Record<string, (path: string) => string | undefined>> = {
  'a payload that declares little and': (path) =>
    path.includes('/blobs/') ? 'application/octet-stream' : undefined,
  'a signature manifest that': (path) => (path.endsWith('.sig') ? OCI_MANIFEST : undefined),
};

for (const [what, ends] of Object.entries(endless)) {
  t.test(`${what} never ends is dropped after its bound`, async (t) => {
    const { front, lab } = await openEndless(t, ends);
    const before = process.memoryUsage().arrayBuffers;
    t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
    t.ok(front.endless() < IN_FLIGHT, `${front.endless()} bytes were sent`);
    t.ok(process.memoryUsage().arrayBuffers - before < 2 * IN_FLIGHT, 'memory stays bounded');
  });
}

t.test('a list of referrers that never ends is dropped, and hides no good .sig', async (t) => {
  const { front, lab } = await openEndless(t, (path) =>
    path.includes('/referrers/') ? OCI_INDEX : undefined,
  );
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.ok(front.endless() < IN_FLIGHT, `${front.endless()} bytes were sent`);
});
