/**
 * The lock file lives in git, where a pull request changes one digest among hundreds, and the reviewer sees hexadecimal.
 * The digest is of an image that nobody signed.
 *
 * The file chooses which digest a tag means. Whether that digest is served is decided as for any other, at the next pull,
 * and nothing stands in for it.
 */
import t from 'tap';
import { pins } from '../../src/cli/pins.ts';
import type { PinsDesk } from '../../src/cli/pins-desk.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';

/** The commands, on the records of a proxy that runs. */
function commands({ proxy }: Lab) {
  const files = new Map<string, string>();
  const desk: PinsDesk = {
    defaultRegistry: 'lab.local',
    isRegistry: (name) => name === 'lab.local',
    records: () => Promise.resolve(proxy.records),
    frozenBy: () => undefined,
    resolve: () => Promise.resolve(undefined),
    readFile: (file) => Promise.resolve(files.get(file) ?? ''),
    writeFile(file, text) {
      files.set(file, text);
      return Promise.resolve();
    },
  };
  const run = async (...args: readonly string[]) => {
    const code = await pins(
      args,
      desk,
      { json: false },
      { out: () => undefined, err: () => undefined },
    );
    proxy.admission.forget();
    return code;
  };
  return { files, run };
}

t.test(
  'a lock file edited to an unsigned digest is refused at the pull, with the reason',
  async (t) => {
    const lab = await openLab(t);
    const { proxy, signed, image, get, head } = lab;
    const { files, run } = commands(lab);
    const good = signed('good', { tag: 'v1' });
    const evil = image('evil');
    t.equal(told(await get('manifests/v1')), '200');
    t.equal(await run('export', 'pins.lock'), 0);
    t.equal(await run('import', 'pins.lock'), 0);
    t.equal((await get('manifests/v1')).headers['docker-content-digest'], good.digest, 'as it was');
    const edited = files.get('pins.lock')?.replace(good.digest, evil.digest) ?? '';
    files.set('pins.lock', edited);
    t.match(edited, evil.digest);
    t.equal(await run('import', 'pins.lock'), 0);
    for (let pull = 0; pull < 3; pull++) {
      const answer = await get('manifests/v1');
      t.equal(told(answer), '403 DENIED');
      t.match(answer.error?.message, evil.digest);
      t.match(answer.error?.message, /unsigned.*The tag is frozen at this digest/);
      t.equal((await head('manifests/v1')).status, 403);
      proxy.now += 60_000;
    }
    t.equal(told(await get(`blobs/${evil.config}`)), '403 DENIED');
    t.equal(told(await get(`manifests/${evil.digest}`)), '403 DENIED');
    const repository = parseRepository('lab.local', TEAM);
    const known = [
      await proxy.records.findPin(repository, 'v1'),
      ...(await proxy.records.findHistory(repository, 'v1')),
    ];
    t.strictSame(new Set(known.map((one) => one?.digest)), new Set([good.digest]), 'no pin of it');
  },
);

t.test(
  'neither does an outage make it servable, nor hide it behind what was served before',
  async (t) => {
    const lab = await openLab(t);
    const { registry, signed, image, get } = lab;
    const { run } = commands(lab);
    signed('good', { tag: 'v1' });
    const evil = image('evil');
    t.equal(told(await get('manifests/v1')), '200');
    await run('move', `lab.local/${TEAM}:v1`, evil.digest);
    await registry.close();
    t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  },
);

t.test('a digest that verifies is served wherever upstream has the tag', async (t) => {
  const lab = await openLab(t);
  const { registry, proxy, signed, get } = lab;
  const { run } = commands(lab);
  const old = signed('old');
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  await run('move', `lab.local/${TEAM}:v1`, old.digest);
  const digest = async () => (await get('manifests/v1')).headers['docker-content-digest'];
  t.equal(await digest(), old.digest);
  await registry.close();
  proxy.now += 365 * 86_400_000;
  t.equal(await digest(), old.digest, 'and needs nobody');
  t.not(old.digest, good.digest);
});
