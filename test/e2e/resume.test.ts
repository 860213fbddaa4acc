/** A blob that breaks off in the middle, on either side of the proxy: the image arrives all the same. */
import './lab/namespace.ts';
import type { Test } from 'tap';
import { tag } from './lab/cases.ts';
import type { ClientKind } from './lab/clients/client.ts';
import { containerdKinds } from './lab/clients/containerd.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { dockerKinds } from './lab/clients/docker.ts';
import { podmanKinds } from './lab/clients/podman.ts';
import { arrives, openFaultyScene, putSigned } from './lab/faulty-scene.ts';
import { toolsFor } from './lab/matrix.ts';
import { suite } from './lab/suite.ts';

/** podman 4.3 has no resumption yet; skopeo 1.18 has the library of the podman after it. */
const withoutResumption = 'podman';
const names = new Set([
  'docker with its graph store',
  'docker with the containerd store',
  'containerd 1.6 by direct names',
  'containerd 2 by direct names',
  'newer skopeo',
  withoutResumption,
]);
const kinds = [...dockerKinds, ...containerdKinds, ...copierKinds, ...podmanKinds].filter(
  ({ name }) => names.has(name),
);

suite('a cut in the middle of a blob', toolsFor(kinds), async (t) => {
  for (const kind of kinds) await t.test(kind.name, (t) => runCuts(t, kind));
});

async function runCuts(t: Test, kind: ClientKind): Promise<void> {
  const scene = await openFaultyScene(t, kind);
  const { registry, front } = scene;
  await t.test('between upstream and proxy', async (t) => {
    const { one, layer, bytes } = putSigned(scene, 'cut-upstream');
    const middle = bytes.length >> 1;
    const third = Math.floor(bytes.length / 4);
    registry.plan(layer, [
      { kind: 'ends', at: middle },
      { kind: 'resets', at: third },
    ]);
    await arrives(t, scene, one);
    const answers = registry.answers.filter(({ digest }) => digest === layer);
    t.equal(answers.length, 3, 'asked as often as it broke off, and once more');
    t.equal(answers[1]?.offset, middle, 'from where it was');
    t.ok((answers[2]?.offset ?? 0) >= middle, 'nothing is fetched twice but what was lost');
  });
  await t.test('between proxy and client', async (t) => {
    const { one, layer, bytes } = putSigned(scene, 'cut-client');
    const middle = bytes.length >> 1;
    front.cut(layer, middle);
    if (kind.name === withoutResumption) {
      const { ok, output } = await scene.client.pull({
        repository: one.repository,
        reference: tag,
      });
      t.notOk(ok, 'gives up');
      t.match(output, kind.brokenBlob, 'and says why');
      await arrives(t, scene, one);
    } else {
      await arrives(t, scene, one);
      t.equal(front.starts.at(-1), middle, 'the rest alone is asked for', { starts: front.starts });
    }
    t.ok(front.starts.length > 1, 'the client asked again');
    const sent = registry.answers.filter(({ digest }) => digest === layer);
    t.equal(sent.length, 1, 'the upstream was asked once');
  });
}
