/**
 * An index is signed, its children are not: they are admitted because the index names them. So what the index says of a
 * child (its size, its media type) is part of what was signed, and a child that is something else is another document
 * for a client that believes the index (CVE-2021-41190 again, one step further down).
 */
import t from 'tap';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { cosign2 } from '../helpers/signer.ts';
import type { PutImage } from '../helpers/image.ts';

/** A signed index over an unsigned child, the child's descriptor changed. */
function putSignedIndex({ registry, signer }: Lab, child: PutImage, changes: object): void {
  const descriptor = { mediaType: OCI_MANIFEST, digest: child.digest, size: child.size };
  const manifests = [{ ...descriptor, ...changes }];
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  const { digest } = registry.putManifest(TEAM, index, { tag: 'index' });
  cosign2(registry, TEAM, digest, signer);
}

const lies: Readonly<Record<string, (child: PutImage) => object>> = {
  'a smaller size': ({ size }) => ({ size: size - 1 }),
  'a larger size': ({ size }) => ({ size: size + 1 }),
  'another format': () => ({ mediaType: DOCKER_MANIFEST }),
  'the type of an index': () => ({ mediaType: OCI_INDEX }),
  'the type of a layer': () => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }),
};

for (const [what, change] of Object.entries(lies)) {
  t.test(`a child is refused of which its signed index says ${what}`, async (t) => {
    const lab = await openLab(t);
    const child = lab.image('child');
    putSignedIndex(lab, child, change(child));
    t.equal(told(await lab.get('manifests/index')), '200');
    const answer = await lab.get(`manifests/${child.digest}`);
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, 'the manifest is not acceptable');
    t.equal((await lab.head(`manifests/${child.digest}`)).status, 403);
    t.equal(told(await lab.get(`blobs/${child.config}`)), '403 DENIED', 'it grants nothing');
  });
}

t.test('a child without mediaType is what its signed index calls it', async (t) => {
  const lab = await openLab(t);
  const child = lab.image('child', { changes: { mediaType: undefined } });
  putSignedIndex(lab, child, { mediaType: DOCKER_MANIFEST });
  t.equal(told(await lab.get('manifests/index')), '200');
  const { headers } = await lab.get(`manifests/${child.digest}`);
  t.equal(headers['content-type'], DOCKER_MANIFEST, 'whatever type upstream sends it under');
});

t.test('the same child under an honest index is served', async (t) => {
  const lab = await openLab(t);
  const child = lab.image('child');
  putSignedIndex(lab, child, {});
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '403 DENIED', 'before its index');
  lab.proxy.now += 5_001;
  t.equal(told(await lab.get('manifests/index')), '200');
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${child.config}`)), '200');
});
