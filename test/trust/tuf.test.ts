/** Trusted roots from a TUF repository: what it signs and nothing else, whatever happens on the way. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TrustSourceError } from '../../src/trust/trust-source.ts';
import { createTufSource, requireTufRoot } from '../../src/trust/tuf.ts';
import { createKey } from '../helpers/sigstore/key.ts';
import { startTufServer, type TufServer } from '../helpers/tuf-repository.ts';
import { testdir } from '../helpers/testdir.ts';

const never = new AbortController().signal;
const TARGET = 'trusted_root.json';

async function setUp(t: Test) {
  const server = await startTufServer(t);
  const folder = testdir(t, {});
  server.publish({ [TARGET]: 'one' });
  const source = (changes: { target?: string; timeout?: number; from?: TufServer } = {}) =>
    createTufSource(
      {
        mirror: `${server.url}/`,
        initialRoot: (changes.from ?? server).initialRoot,
        ...(changes.target === undefined ? {} : { target: changes.target }),
      },
      { folder, retries: 0, timeout: changes.timeout ?? 30_000 },
    );
  return { server, folder, source };
}

const text = async (bytes: Promise<Uint8Array>) => Buffer.from(await bytes).toString();

/** The one file of this name that the client keeps. */
function keptFile(folder: string, name: string): string {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith(`/${name}`),
  );
  return join(folder, found[0] ?? '');
}

async function refused(t: Test, fetched: Promise<unknown>, code: TrustSourceError['code']) {
  return t.rejects(fetched, { name: 'TrustSourceError', code });
}

t.test('fetches the target, and asks for it again only when it has changed', async (t) => {
  const { server, source } = await setUp(t);
  const tuf = source();
  t.equal(tuf.name, server.url);
  t.equal(await text(tuf.fetch(never)), 'one');
  const first = server.asked.filter((path) => path.startsWith('/targets/')).length;
  t.equal(await text(tuf.fetch(never)), 'one');
  t.equal(server.asked.filter((path) => path.startsWith('/targets/')).length, first);
  server.publish({ [TARGET]: 'two' });
  t.equal(await text(tuf.fetch(never)), 'two');
  t.equal(await text(source().fetch(never)), 'two', 'after a restart');
});

t.test('follows new keys, from the root it began with and from the one it keeps', async (t) => {
  const { server, source } = await setUp(t);
  const tuf = source();
  await tuf.fetch(never);
  server.rotateKeys();
  server.rotateKeys();
  server.publish({ [TARGET]: 'two' });
  t.equal(await text(tuf.fetch(never)), 'two');
  const asked = server.asked.length;
  t.equal(await text(tuf.fetch(never)), 'two');
  t.notOk(server.asked.slice(asked).includes('/2.root.json'), 'the newer root is kept');
});

t.test('refuses a target whose bytes are not those that were signed', async (t) => {
  const { server, source } = await setUp(t);
  server.replace(/^\/targets\//, Buffer.from('bad'));
  await refused(t, source().fetch(never), 'refused');
  server.restore();
  t.equal(await text(source().fetch(never)), 'one');
});

t.test('refuses metadata by a stranger, expired, or older than what was seen', async (t) => {
  const { server, source } = await setUp(t);
  const tuf = source();
  await tuf.fetch(never);
  server.publish({ [TARGET]: 'evil' }, { signer: createKey('ed25519') });
  await refused(t, tuf.fetch(never), 'refused');
  server.publish({ [TARGET]: 'old' }, { expires: '2020-01-01T00:00:00Z' });
  await refused(t, tuf.fetch(never), 'refused');
  server.publish({ [TARGET]: 'nine' }, { version: 9 });
  t.equal(await text(tuf.fetch(never)), 'nine');
  server.publish({ [TARGET]: 'eight' }, { version: 8 });
  await refused(t, tuf.fetch(never), 'refused');
  await refused(t, source().fetch(never), 'refused');
});

t.test('what another initial root has led to is not used', async (t) => {
  const { source } = await setUp(t);
  await source().fetch(never);
  const other = await startTufServer(t);
  t.not(source({ from: other }).id, source().id);
  await refused(t, source({ from: other }).fetch(never), 'refused');
});

t.test('says what a server did not do', async (t) => {
  const { server, source } = await setUp(t);
  await refused(t, source({ target: 'other.json' }).fetch(never), 'absent');
  server.replace(/timestamp/, 500);
  await refused(t, source().fetch(never), 'unreachable');
  server.replace(/timestamp/, 'hang');
  await refused(t, source({ timeout: 50 }).fetch(never), 'timed-out');
  await server.stop();
  await refused(t, source().fetch(never), 'unreachable');
});

t.test('is given up when the signal says so, and the next one goes ahead', async (t) => {
  const { server, source } = await setUp(t);
  const tuf = source();
  server.replace(/timestamp/, 'hang');
  const stopping = new AbortController();
  const fetched = tuf.fetch(stopping.signal);
  stopping.abort(new Error('closing'));
  await refused(t, fetched, 'timed-out');
  server.restore();
  t.equal(await text(tuf.fetch(never)), 'one');
});

t.test('refuses a target larger than a trusted root may be', async (t) => {
  const { server, source } = await setUp(t);
  server.publish({ [TARGET]: ' '.repeat(1024 * 1024 + 1) });
  await refused(t, source().fetch(never), 'refused');
});

t.test('a damaged root is begun anew, half-written folders are cleared away', async (t) => {
  const { folder, source } = await setUp(t);
  await source().fetch(never);
  const root = keptFile(folder, 'root.json');
  writeFileSync(root, readFileSync(root).subarray(0, 100));
  mkdirSync(join(folder, source().id.slice(0, 16), 'work-0123', 'x'), { recursive: true });
  t.equal(await text(source().fetch(never)), 'one');
  t.same(readdirSync(join(folder, source().id.slice(0, 16))), ['2']);
  writeFileSync(keptFile(folder, 'snapshot.json'), '{');
  writeFileSync(keptFile(folder, TARGET), 'evil');
  t.equal(await text(source().fetch(never)), 'one');
});

t.test('a fetch that fails leaves what was kept as it was', async (t) => {
  const { server, folder, source } = await setUp(t);
  await source().fetch(never);
  const base = join(folder, source().id.slice(0, 16));
  server.rotateKeys();
  server.replace(/timestamp/, 500);
  await refused(t, source().fetch(never), 'unreachable');
  t.ok(readdirSync(base).includes('1'));
  t.match(JSON.parse(readFileSync(keptFile(join(base, '1'), 'root.json'), 'utf8')), {
    signed: { version: 1 },
  });
});

t.test('says what cannot be an initial root or a target', async (t) => {
  const { source } = await setUp(t);
  const error = { name: 'SyntaxError' };
  t.throws(() => {
    requireTufRoot(Buffer.from('{}'));
  }, error);
  t.throws(() => {
    requireTufRoot(Buffer.from('{"signed":{"_type":"targets"}}'));
  }, error);
  t.throws(() => {
    requireTufRoot(Buffer.alloc(600_000, ' '));
  }, error);
  for (const target of ['', '../x', 'a/../b', '/x', 'a//b', 'a\\b']) {
    t.throws(() => source({ target }), error, target);
  }
});
