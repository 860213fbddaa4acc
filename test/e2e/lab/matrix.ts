/** The cases every client goes through, from the first pull to one without any upstream. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { prepareMoving, tag, type Case, type Cases, type RefusedCase } from './cases.ts';
import type { Client, ClientKind, Pulled } from './clients/client.ts';
import { labFolder } from './namespace.ts';
import { ruleNames, startProxy, type ProxiedRegistry, type Proxy } from './proxy.ts';
import type { Guard } from './registry.ts';
import type { Signers } from './signers.ts';
import { suite, upstreamTools } from './suite.ts';
import type { Tool } from './tools.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** A client and a proxy of its own with an empty cache. */
interface Scene {
  readonly kind: ClientKind;
  readonly client: Client;
  readonly proxy: Proxy;
}

/** A test file's worth: one upstream, and all cases through each of the clients. */
export function matrixSuite(name: string, guard: Guard, kinds: readonly ClientKind[]): void {
  suite(name, toolsFor(kinds), async (t) => {
    const upstream = await startUpstream(t, guard);
    const others = kinds.filter(({ thorough }) => !thorough);
    for (const kind of kinds) {
      const cases = casesFor(kind, others.indexOf(kind), upstream.cases);
      await t.test(kind.name, (t) => runMatrix(t, upstream, kind, cases));
    }
    if (guard === 'token') t.ok(upstream.registry.tokens() > 0, 'tokens were asked for');
  });
}

/** All that is needed for an upstream and these clients. */
export function toolsFor(kinds: readonly ClientKind[]): readonly Tool[] {
  return [...new Set([...upstreamTools, ...kinds.flatMap(({ needs }) => needs)])];
}

/** The thorough clients go through all cases; the others differ from one of them in their age or in the names only. */
function casesFor({ thorough }: ClientKind, place: number, cases: Cases): Cases {
  if (thorough) return cases;
  const third = <T>(all: readonly T[]): readonly T[] => everyThird(all, place);
  return { ...cases, admitted: third(cases.admitted), refused: third(cases.refused) };
}

/** What one of several clients goes through that begin with different cases; all of them where `E2E_WHOLE=1`. */
export function everyThird<T>(cases: readonly T[], place: number): readonly T[] {
  if (process.env['E2E_WHOLE'] === '1') return cases;
  return cases.filter((_, index) => index % 3 === place % 3);
}

async function runMatrix(
  t: Test,
  upstream: Upstream,
  kind: ClientKind,
  cases: Cases,
): Promise<void> {
  const scene = await openScene(t, upstream.registry, upstream.signers, kind);
  await runCases(t, scene, cases);
  await t.test('is refused what replaced a signed image', (t) => replaced(t, scene, upstream));
  await t.test('pulls again into an empty store without any upstream', (t) =>
    alone(t, scene, upstream.registry, cases),
  );
}

/** Starts a proxy and a client for the length of a test. */
export async function openScene(
  t: Test,
  registry: ProxiedRegistry,
  signers: Signers,
  kind: ClientKind,
): Promise<Scene> {
  // Sockets have short names only, so the folder does too.
  const folder = mkdtempSync(join(labFolder, 'm-'));
  const proxy = await startProxy(join(folder, 'proxy'), registry, signers);
  t.teardown(() => proxy.stop());
  const client = await kind.start({ proxy: proxy.host, folder: join(folder, 'client') });
  t.teardown(() => client.stop());
  return { kind, client, proxy };
}

/** What has to arrive arrives, and nothing else does. */
export async function runCases(t: Test, scene: Scene, cases: Cases): Promise<void> {
  for (const one of cases.admitted) {
    await t.test(`pulls and runs: ${one.title}`, (t) => arrives(t, scene, one));
  }
  for (const one of cases.refused) {
    await t.test(`is refused: ${one.title}`, (t) => isRefused(t, scene, one));
  }
}

async function arrives(t: Test, scene: Scene, one: Case): Promise<void> {
  const { client } = scene;
  if (!(await isPulled(t, scene, one)) || client.run === undefined) return;
  const said = await client.run({ repository: one.repository, reference: tag });
  t.match(said, one.image.greeting, 'its container greets');
}

async function isPulled(t: Test, { client }: Scene, { repository, image }: Case): Promise<boolean> {
  const pulled = await client.pull({ repository, reference: tag });
  t.ok(pulled.ok, 'is pulled', { clientSaid: pulled.output });
  t.equal(pulled.digest, image.digest, 'has the digest that was signed');
  return pulled.ok;
}

async function isRefused(t: Test, scene: Scene, one: RefusedCase): Promise<void> {
  const { client, kind } = scene;
  for (const reference of [tag, one.image.digest]) {
    const pulled = await client.pull({ repository: one.repository, reference });
    t.notOk(pulled.ok, `is not pulled as ${reference}`, { clientSaid: pulled.output });
    switch (one.kind) {
      case 'denied':
        explainsItself(t, scene, one, pulled);
        break;
      case 'altered manifest':
        t.match(pulled.output, /502 Bad Gateway/, 'the client says that the digest is wrong');
        break;
      case 'altered blob':
        t.match(pulled.output, kind.brokenBlob, 'the client says that the layer broke off');
        break;
    }
  }
}

/** The person reads in the client's own words who refused, by which rule, and what to do. */
function explainsItself(t: Test, { kind }: Scene, one: Case, { output }: Pulled): void {
  const words = one.repository.startsWith('elsewhere/')
    ? [`no rule covers`, `/${one.repository}`]
    : [one.repository.startsWith('moving/') ? ruleNames.moving : ruleNames.cases];
  if (kind.voice === 'reason phrase') {
    words.push('403 Forbidden by countersign');
  } else if (one.repository.startsWith('elsewhere/')) {
    words.push('Add one to policies');
  } else {
    words.push(one.image.digest, 'countersign verify');
  }
  // Some clients wrap their lines.
  const said = output.replaceAll(/\s+/g, ' ');
  for (const word of words) t.match(said, word, `its ${kind.voice} says: ${word}`);
}

async function replaced(t: Test, scene: Scene, upstream: Upstream): Promise<void> {
  const { registry, signers } = upstream;
  const { before, replace } = await prepareMoving(registry, signers, slug(scene.kind.name));
  await arrives(t, scene, before);
  const after = await replace();
  const pulled = await scene.client.pull({ repository: after.repository, reference: tag });
  t.notOk(pulled.ok, 'the unsigned image is not pulled', { clientSaid: pulled.output });
  explainsItself(t, scene, after, pulled);
  const pinned = { repository: before.repository, reference: before.image.digest };
  const again = await scene.client.pull(pinned);
  t.ok(again.ok, 'the signed image still is, by its digest', { clientSaid: again.output });
}

async function alone(
  t: Test,
  scene: Scene,
  registry: Upstream['registry'],
  cases: Cases,
): Promise<void> {
  await registry.stop();
  await scene.client.fresh();
  // The cache is the same for all of them; after a restart every one is pulled, in the operator's file.
  for (const one of cases.admitted.slice(0, 3)) await isPulled(t, scene, one);
  await registry.start();
}

function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}
