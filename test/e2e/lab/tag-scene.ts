/** A tag that a publisher moves about, a proxy with rules for it, and one client of each family that pulls it. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { tag } from './cases.ts';
import type { Client, ClientKind, Target } from './clients/client.ts';
import { copierKinds } from './clients/copiers.ts';
import { oneOfEachFamily } from './clients/families.ts';
import { buildImage, type Image } from './images.ts';
import { labFolder } from './namespace.ts';
import type { Finished } from './process.ts';
import { serveConfig, type Proxy } from './proxy.ts';
import { pushImage } from './registry-client.ts';
import { startRegistry, type Registry } from './registry.ts';
import { createSigners, readPublicKey, type Signers } from './signers.ts';

export const tagClients: readonly ClientKind[] = [
  ...oneOfEachFamily,
  ...copierKinds.filter(({ name }) => ['newer skopeo', 'crane'].includes(name)),
];

/** Those that print the header `Warning`; Docker, containerd and older podmans keep it to themselves. */
const showWarnings = new Set(['newer skopeo', 'crane']);

/** Rules by the first part of a repository's name. */
export const tagRules = {
  followed: '{ refresh: 0s, maxStale: 1h }',
  held: '{ refresh: 0s, onUnverifiedMove: hold, onRollback: refuse, onDelete: keep }',
  fresh: '{ refresh: 1h }',
  brief: '{ refresh: 0s, maxStale: 1s }',
} as const;

export interface TagScene {
  readonly registry: Registry;
  readonly proxy: () => Proxy;
  /** Moves the tag to a new image, signed by one of the signers unless told. */
  publish(repository: string, name: string, by?: 'cosign2' | 'cosign3' | 'nobody'): Promise<Image>;
  /** Moves the tag to an image that is there already. */
  publishAgain(repository: string, image: Image): Promise<void>;
  /** Takes an image away, with the tag that means it. */
  remove(repository: string, image: Image): Promise<void>;
  /** Every client gets it, with this digest, and runs it where it can; those that show warnings show this one. */
  arrives(t: Test, target: Target, image: Image, warning?: RegExp): Promise<void>;
  /** Everybody is refused, in these words or with this reason phrase. */
  isRefused(t: Test, target: Target, words: RefusalWords): Promise<void>;
  /** All clients are as new. */
  forget(): Promise<void>;
  /** `countersign pins …` beside the proxy. */
  pins(...args: readonly string[]): Promise<Finished>;
  /** Waits until the proxy gives this for the tag, as it does within a second of a command: a digest, or a status. */
  awaits(repository: string, wanted: string | number): Promise<void>;
  /** Ends the proxy and starts it again with the same cache. */
  restart(more: string): Promise<void>;
}

export interface RefusalWords {
  /** Of clients that print the message. */
  readonly message: RegExp;
  /** Of clients that print the status line alone. */
  readonly phrase: RegExp;
}

/** In a network of its own the lab may name its port: clients keep their proxy when it is restarted. */
const PORT = 5050;
/** Milliseconds; an upstream that was away rests for half a minute at most. */
const LONGEST_WAIT = 60_000;

export async function openTagScene(t: Test): Promise<TagScene> {
  const registry = await startRegistry(labFolder, 'none');
  t.teardown(() => registry.close());
  const signers = await createSigners(join(labFolder, 'signers'), registry);
  const folder = join(labFolder, 'proxy');
  mkdirSync(folder);
  writeFileSync(join(folder, 'trusted.pub'), readPublicKey(signers.trusted));
  const serve = (more = ''): Promise<Proxy> => serveConfig(folder, configFor(registry, more));
  let proxy = await serve();
  t.teardown(() => proxy.stop());
  const clients = await Promise.all(tagClients.map((kind) => startClient(t, kind, proxy.host)));

  return {
    registry,
    proxy: () => proxy,
    publish: (repository, name, by = 'cosign2') =>
      publish(registry, signers, { repository, name, by }),
    publishAgain: (repository, image) => pushImage(registry, repository, tag, image),
    async remove(repository, { digest }) {
      const url = `http://${registry.host}/v2/${repository}/manifests/${digest}`;
      const { status } = await fetch(url, { method: 'DELETE' });
      if (status !== 202) throw new Error(`DELETE ${url}: ${status}`);
    },
    async arrives(t, target, image, warning) {
      await Promise.all(
        clients.map(async (one) => {
          const said = await arrivesAt(t, one, target, image);
          if (warning === undefined || !showWarnings.has(one.kind.name)) return;
          t.match(said, warning, `${one.kind.name}: warns`);
        }),
      );
    },
    async isRefused(t, target, words) {
      await Promise.all(clients.map((one) => isRefusedAt(t, one, target, words)));
    },
    async forget() {
      await Promise.all(clients.map(({ client }) => client.fresh()));
    },
    pins: (...args) => proxy.command('pins', ...args, '--config', proxy.configFile),
    async awaits(repository, wanted) {
      const url = `http://${proxy.host}/v2/lab.local/${repository}/manifests/${tag}`;
      const deadline = Date.now() + LONGEST_WAIT;
      for (;;) {
        const { status, headers } = await fetch(url, { method: 'HEAD' });
        const digest = headers.get('docker-content-digest');
        if (status === wanted || digest === wanted) return;
        if (Date.now() > deadline) {
          throw new Error(`expected ${wanted} of ${repository}, got ${status} ${digest ?? ''}`);
        }
        await sleep(50);
      }
    },
    async restart(more) {
      await proxy.stop();
      proxy = await serve(more);
    },
  };
}

/** A client in front of a proxy. */
export interface StartedClient {
  readonly kind: ClientKind;
  readonly client: Client;
}

/** Started until the test ends. */
export async function startClient(
  t: Test,
  kind: ClientKind,
  proxy: string,
): Promise<StartedClient> {
  // Sockets have short names only, so the folder does too.
  const client = await kind.start({ proxy, folder: mkdtempSync(join(labFolder, 'c-')) });
  t.teardown(() => client.stop());
  return { kind, client };
}

function configFor(registry: Registry, more: string): string {
  const rules = Object.entries(tagRules).map(
    ([name, tags]) =>
      `  - { name: ${name} tags, match: lab.local/${name}/**, require: { key: { trustRoot: keys } }, tags: ${tags} }`,
  );
  return `
listen: { host: 127.0.0.1, port: ${PORT} }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ./var, maxSize: 1GiB }
upstreams: { lab.local: { url: "http://${registry.host}", insecureHttp: true } }
trustRoots: { keys: { publicKeys: [ ./trusted.pub ] } }
policies:
${rules.join('\n')}
${more}
`;
}

async function publish(
  registry: Registry,
  signers: Signers,
  what: { repository: string; name: string; by: 'cosign2' | 'cosign3' | 'nobody' },
): Promise<Image> {
  const { repository, name, by } = what;
  const image = buildImage(`${repository} ${name}`);
  // A pull in between would meet an image that nobody has signed yet.
  await pushImage(registry, repository, image.digest, image);
  if (by !== 'nobody') await signers[by](repository, image.digest, signers.trusted);
  await pushImage(registry, repository, tag, image);
  return image;
}

/** It gets the image and runs it where it can; gives what it said. */
export async function arrivesAt(
  t: Test,
  { kind, client }: StartedClient,
  target: Target,
  image: Image,
): Promise<string> {
  const pulled = await client.pull(target);
  t.equal(pulled.digest, image.digest, `${kind.name}: has the digest`, {
    clientSaid: pulled.output,
  });
  if (pulled.ok && client.run !== undefined) {
    t.match(await client.run(target), image.greeting, `${kind.name}: its container greets`);
  }
  return pulled.output;
}

/** It gets nothing, and says why. */
export async function isRefusedAt(
  t: Test,
  { kind, client }: StartedClient,
  target: Target,
  { message, phrase }: RefusalWords,
): Promise<void> {
  const { ok, output } = await client.pull(target);
  t.notOk(ok, `${kind.name}: gets nothing`, { clientSaid: output });
  const said = output.replaceAll(/\s+/g, ' ');
  t.match(said, kind.voice === 'message' ? message : phrase, `${kind.name}: says why`);
}
