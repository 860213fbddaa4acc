/** Tags that move, go back and are pinned by an operator, and an upstream that is gone, through one client of each family. */
import './lab/namespace.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import { tag } from './lab/cases.ts';
import { toolsFor } from './lab/matrix.ts';
import { labFolder } from './lab/namespace.ts';
import { suite } from './lab/suite.ts';
import { openTagScene, tagClients, type RefusalWords, type TagScene } from './lab/tag-scene.ts';

suite('a tag', toolsFor(tagClients), async (t) => {
  const scene = await openTagScene(t);
  await t.test('that moves', (t) => moves(t, scene));
  await t.test('whose rule holds and refuses', (t) => isHeld(t, scene));
  await t.test('that an operator pins', (t) => isPinned(t, scene));
  await t.test('of an upstream that is gone', (t) => outlives(t, scene));
  await t.test('of an upstream that nobody may ask', (t) => isOffline(t, scene));
});

const FORBIDDEN = /403 Forbidden by countersign/;

function byPolicy(message: RegExp): RefusalWords {
  return { message, phrase: FORBIDDEN };
}

const gone: RefusalWords = { message: /manifest.unknown/i, phrase: /: not found/ };
const NO_WARNING = /^(?!.*(?:held|stale): )/s;
/** No client but crane prints the message of a 5xx; the others show the status line. */
const UNREACHABLE = /503 Service Unavailable by countersign: the upstream cannot be asked now/;
const unreachable: RefusalWords = {
  message: new RegExp(`${UNREACHABLE.source}|cannot be decided now: .* connection refused`),
  phrase: UNREACHABLE,
};
const OFFLINE = /503 Service Unavailable by countersign: the upstream is configured offline/;
const offline: RefusalWords = {
  message: new RegExp(`${OFFLINE.source}|lab.local is configured offline`),
  phrase: OFFLINE,
};

async function moves(t: Test, scene: TagScene): Promise<void> {
  const repository = 'followed/app';
  const target = { repository, reference: tag };
  const first = await scene.publish(repository, 'first');
  await scene.arrives(t, target, first);
  const second = await scene.publish(repository, 'second', 'cosign3');
  await t.test('to a signed image', (t) => scene.arrives(t, target, second));
  await scene.publish(repository, 'unsigned', 'nobody');
  await t.test('to an unsigned image', async (t) => {
    await scene.isRefused(t, target, byPolicy(/followed tags/));
    await scene.arrives(t, { repository, reference: second.digest }, second);
    const { output } = await scene.pins('list');
    t.match(output, second.digest, 'is listed where it was');
    t.match(output, 'refused: unverified', 'with the reason');
  });
  await scene.publishAgain(repository, second);
  // A refusal is remembered for some seconds.
  await scene.awaits(repository, second.digest);
  await t.test('to what it was', (t) => scene.arrives(t, target, second));
  await scene.publishAgain(repository, first);
  await t.test('back', async (t) => {
    await scene.arrives(t, target, second, /held: .*this is a rollback/);
    const { output } = await scene.pins('show', `lab.local/${repository}:${tag}`);
    t.match(output, 'this is a rollback');
    t.match(output, first.digest);
  });
  await t.test('back, as an operator allows', async (t) => {
    const { status } = await scene.pins('allow-rollback', `lab.local/${repository}:${tag}`);
    t.equal(status, 0);
    await scene.awaits(repository, first.digest);
    await scene.arrives(t, target, first);
  });
  await scene.remove(repository, first);
  await t.test('away', async (t) => {
    await scene.isRefused(t, target, gone);
    await scene.arrives(t, { repository, reference: first.digest }, first);
  });
}

async function isHeld(t: Test, scene: TagScene): Promise<void> {
  const repository = 'held/app';
  const target = { repository, reference: tag };
  const first = await scene.publish(repository, 'first');
  await scene.arrives(t, target, first);
  const unsigned = await scene.publish(repository, 'unsigned', 'nobody');
  await t.test('is held where it moved to an unsigned image', async (t) => {
    await scene.arrives(t, target, first, /held: .*no signature/);
    await scene.isRefused(
      t,
      { repository, reference: unsigned.digest },
      byPolicy(/held tags.*no signature/),
    );
    t.match(scene.proxy().log(), /"outcome":"held","why":"unverified".*"a tag moved upstream"/);
  });
  const second = await scene.publish(repository, 'second');
  await scene.arrives(t, target, second);
  await scene.remove(repository, second);
  await t.test('is held where it was deleted', (t) =>
    scene.arrives(t, target, second, /held: the tag is gone upstream/),
  );
  await scene.publishAgain(repository, first);
  // That it is gone is remembered for some seconds.
  await scene.awaits(repository, 403);
  await t.test('is refused where it went back', (t) =>
    scene.isRefused(
      t,
      target,
      byPolicy(/this is a rollback.*countersign pins allow-rollback lab\.local\/held\/app:v1/),
    ),
  );
}

async function isPinned(t: Test, scene: TagScene): Promise<void> {
  const repository = 'followed/pinned';
  const reference = `lab.local/${repository}:${tag}`;
  const target = { repository, reference: tag };
  const lock = join(labFolder, 'countersign.lock');
  async function pins(status: number, ...args: readonly string[]): Promise<string> {
    const done = await scene.pins(...args);
    t.equal(done.status, status, `pins ${args.join(' ')}`, { output: done.output });
    return done.output;
  }

  const first = await scene.publish(repository, 'first');
  await scene.arrives(t, target, first);
  await pins(0, 'freeze', reference);
  await pins(0, 'export', lock);
  t.match(readFileSync(lock, 'utf8'), `${reference}: ${first.digest}\n`, 'has its line');
  const second = await scene.publish(repository, 'second');
  await t.test('frozen', (t) => scene.arrives(t, target, first));
  const only = `version: 1\npins: { "${reference}": ${first.digest} }\n`;
  writeFileSync(lock, only);
  const difference = await pins(1, 'diff', lock);
  t.equal(difference, `- ${reference} ${first.digest}\n+ ${reference} ${second.digest}\n`);
  t.match(await pins(0, 'show', reference), `${first.digest}  (frozen)`, 'is shown as frozen');

  await pins(0, 'unfreeze', reference);
  await scene.awaits(repository, second.digest);
  await t.test('no more', (t) => scene.arrives(t, target, second));
  await pins(0, 'import', lock);
  await scene.awaits(repository, first.digest);
  await t.test('by a lock file', (t) => scene.arrives(t, target, first));
  writeFileSync(lock, only.replace(first.digest, 'latest'));
  t.match(await pins(2, 'import', lock), 'expected a digest, got "latest"');

  const unsigned = await scene.publish(repository, 'unsigned', 'nobody');
  await pins(0, 'move', reference, unsigned.digest);
  await scene.awaits(repository, 403);
  await t.test('to what nobody signed', (t) =>
    scene.isRefused(t, target, byPolicy(/The tag is frozen at this digest/)),
  );
  await pins(0, 'move', reference, second.digest);
  await scene.awaits(repository, second.digest);
  await t.test('by hand', (t) => scene.arrives(t, target, second));
}

async function outlives(t: Test, scene: TagScene): Promise<void> {
  const pull = (repository: string) => ({ repository, reference: tag });
  const fresh = await scene.publish('fresh/app', 'first');
  const stale = await scene.publish('followed/stale', 'first', 'cosign3');
  const brief = await scene.publish('brief/app', 'first');
  const cold = await scene.publish('followed/cold', 'first');
  await scene.arrives(t, pull('fresh/app'), fresh);
  await scene.arrives(t, pull('followed/stale'), stale);
  await scene.arrives(t, pull('brief/app'), brief);

  await scene.registry.stop();
  await scene.forget();
  await t.test('is pulled as it was while it is fresh', (t) =>
    scene.arrives(t, pull('fresh/app'), fresh, NO_WARNING),
  );
  await t.test('is pulled as it was within maxStale', (t) =>
    scene.arrives(t, pull('followed/stale'), stale, /stale: .*connection refused/),
  );
  await t.test('is refused beyond maxStale, and its digest is not', async (t) => {
    await scene.awaits('brief/app', 503);
    await scene.isRefused(t, pull('brief/app'), unreachable);
    await scene.arrives(t, { repository: 'brief/app', reference: brief.digest }, brief);
  });
  await t.test('is refused where nobody pulled it before', (t) =>
    scene.isRefused(t, pull('followed/cold'), unreachable),
  );
  await scene.registry.start();
  await t.test('and comes back', async (t) => {
    await scene.awaits('followed/cold', cold.digest);
    await scene.arrives(t, pull('followed/cold'), cold);
    await scene.arrives(t, pull('brief/app'), brief);
  });
}

async function isOffline(t: Test, scene: TagScene): Promise<void> {
  const target = { repository: 'brief/offline', reference: tag };
  const first = await scene.publish(target.repository, 'first');
  await scene.arrives(t, target, first);
  await scene.publish(target.repository, 'second');
  await scene.publish('followed/unknown', 'first');
  await scene.registry.stop();

  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const [host, port] = scene.registry.host.split(':');
  listener.listen(Number(port), host);
  await once(listener, 'listening');
  t.teardown(() => listener.close());

  await scene.restart('offline: true');
  await scene.forget();
  await t.test('is pulled as it was pinned', (t) => scene.arrives(t, target, first, NO_WARNING));
  await t.test('is pulled by its digest', (t) =>
    scene.arrives(t, { ...target, reference: first.digest }, first),
  );
  await t.test('is refused where nobody pulled it before', (t) =>
    scene.isRefused(t, { repository: 'followed/unknown', reference: tag }, offline),
  );
  t.equal(connections, 0, 'nobody was asked');
}
