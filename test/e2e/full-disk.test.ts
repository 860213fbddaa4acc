/** A disk that is full costs the cache, not the pull. */
import './lab/namespace.ts';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../store/sources.ts';
import { containerdKinds } from './lab/clients/containerd.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { arrives, openFaultyScene, putSigned } from './lab/faulty-scene.ts';
import { toolsFor } from './lab/matrix.ts';
import { mustRun } from './lab/process.ts';
import { suite } from './lab/suite.ts';

const kinds = [...containerdKinds, ...copierKinds].filter(({ name }) =>
  ['containerd 2 by direct names', 'crane'].includes(name),
);

suite('a disk of three megabytes', toolsFor(kinds), async (t) => {
  for (const kind of kinds) {
    await t.test(kind.name, async (t) => {
      let folder = '';
      const scene = await openFaultyScene(t, kind, async (cache) => {
        folder = cache;
        await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', cache]);
      });
      const { one, layer, bytes } = putSigned(scene, 'full-disk');
      // It breaks off as well: what cannot be kept is resumed all the same.
      scene.registry.plan(layer, [{ kind: 'ends', at: bytes.length >> 1 }]);
      await arrives(t, scene, one);
      // The client may have its bytes before the line is out.
      await until(() => scene.proxy.log().includes('a blob was not kept'));
      t.pass('an operator reads of it');
      const blobs = join(folder, 'v1', 'blobs');
      const kept = readdirSync(blobs, { recursive: true, encoding: 'utf8' });
      t.notOk(
        kept.some((file) => file.includes(layer.slice('sha256:'.length))),
        'not kept',
      );
      await until(() => readdirSync(join(folder, 'v1', 'tmp')).length === 0);
      t.pass('nothing half-written is left');
    });
  }
});
