/** What is not there is asked for now and then, not by every client, and what heals it heals it at once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { rememberAbsences } from '../../src/upstream/absence-memory.ts';
import { identityOf, openCredentials, passwordFile } from '../../src/upstream/credentials.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { basic, createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';
import { failing, MANIFEST, scriptUpstream } from '../helpers/scripted-upstream.ts';
import { testdir } from '../helpers/testdir.ts';

const { digest } = MANIFEST;
const OTHER = digestOf(Buffer.from('other'));

function open() {
  const registry = scriptUpstream();
  const state = { now: 1_000_000, identity: 'we' };
  const remembering = rememberAbsences(registry, {
    clock: () => state.now,
    identity: async () => state.identity,
  });
  return { registry, remembering, state };
}

for (const code of ['not-found', 'unauthorized'] as const) {
  t.test(`${code} answers again for five seconds`, async (t) => {
    const { registry, remembering, state } = open();
    registry.script = failing(code, { status: 404 });
    const ask = [
      () => remembering.resolve('a', 'v1'),
      () => remembering.fetchManifest('a', 'v1'),
      () => remembering.fetchManifest('a', digest),
      () => remembering.openBlob('a', digest),
    ];
    for (const question of ask) await expectFailure(t, question(), code);
    t.equal(registry.asked.length, 4, 'each is a question of its own');
    state.now += 4_999;
    for (const question of ask) {
      const error = await expectFailure(t, question(), code);
      t.match(error.message, `${code} at `);
      t.equal(error.status, 404);
    }
    t.equal(registry.asked.length, 4);
    state.now += 1;
    registry.script = () => undefined;
    for (const question of ask) await question();
    t.equal(registry.asked.length, 8);
    for (const question of ask) await question();
    t.equal(registry.asked.length, 12, 'what is there is not a matter of this memory');
  });
}

t.test('a tag that belongs to a digest answers again for two seconds only', async (t) => {
  const { registry, remembering, state } = open();
  registry.script = failing('not-found');
  for (const suffix of ['.sig', '.att', '']) {
    registry.asked.length = 0;
    const tag = `${digest.replace(':', '-')}${suffix}`;
    await expectFailure(t, remembering.fetchManifest('a', tag), 'not-found');
    state.now += 1_999;
    await expectFailure(t, remembering.fetchManifest('a', tag), 'not-found');
    t.equal(registry.asked.length, 1);
    state.now += 1;
    await expectFailure(t, remembering.fetchManifest('a', tag), 'not-found');
    t.equal(registry.asked.length, 2);
  }
});

t.test('nothing else is remembered', async (t) => {
  const { registry, remembering } = open();
  for (const code of ['unreachable', 'timeout', 'rate-limited', 'digest-mismatch'] as const) {
    registry.script = failing(code);
    registry.asked.length = 0;
    for (let time = 0; time < 3; time++) {
      await expectFailure(t, remembering.fetchManifest('a', digest), code);
    }
    t.equal(registry.asked.length, 3);
  }
  registry.script = failing('not-found');
  registry.asked.length = 0;
  for (let time = 0; time < 3; time++) await t.rejects(remembering.referrers('a', digest));
  t.equal(registry.asked.length, 3, 'a signature may be pushed any moment');
  registry.script = failing('unauthorized', { isUnasked: true });
  registry.asked.length = 0;
  for (let time = 0; time < 3; time++) await t.rejects(remembering.resolve('a', 'v1'));
  t.equal(registry.asked.length, 3, 'what nobody said is not kept as if somebody had');
});

t.test('one absence says nothing of another', async (t) => {
  const { registry, remembering } = open();
  registry.script = failing('not-found', { only: / a v1$/ });
  await expectFailure(t, remembering.resolve('a', 'v1'), 'not-found');
  await remembering.resolve('b', 'v1');
  await remembering.resolve('a', 'v2');
  await remembering.fetchManifest('a', OTHER);
});

t.test('to somebody else it is a new question', async (t) => {
  const { registry, remembering, state } = open();
  registry.script = failing('unauthorized');
  await expectFailure(t, remembering.resolve('a', 'v1'), 'unauthorized');
  state.identity = 'others';
  registry.script = () => undefined;
  await remembering.resolve('a', 'v1');
});

t.test('what was said to the old credentials does not hold for the new', async (t) => {
  const { registry, remembering, state } = open();
  registry.script = (asked) => {
    // The file is replaced while the registry thinks.
    state.identity = 'others';
    return failing('unauthorized')(asked);
  };
  await expectFailure(t, remembering.resolve('a', 'v1'), 'unauthorized');
  registry.script = () => undefined;
  await remembering.resolve('a', 'v1');
});

t.test('a clock that was set back makes no absence longer', async (t) => {
  const { registry, remembering, state } = open();
  registry.script = failing('not-found');
  await expectFailure(t, remembering.resolve('a', 'v1'), 'not-found');
  state.now -= 1;
  registry.script = () => undefined;
  await remembering.resolve('a', 'v1');
});

t.test('only so many absences are kept', async (t) => {
  const { registry, remembering } = open();
  registry.script = failing('not-found');
  for (let index = 0; index <= 4096; index++) {
    await remembering.resolve('a', `v${index}`).catch(() => undefined);
  }
  registry.asked.length = 0;
  await expectFailure(t, remembering.resolve('a', 'v4096'), 'not-found');
  t.equal(registry.asked.length, 0);
  await expectFailure(t, remembering.resolve('a', 'v0'), 'not-found');
  t.equal(registry.asked.length, 1);
});

t.test('a password file that was corrected heals at once, tokens included', async (t) => {
  const path = join(testdir(t, { password: 'old' }), 'password');
  const issuer = createTokenIssuer({ username: 'us', password: 'new' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  const source = { kind: 'basic', username: 'us', password: passwordFile(path) } as const;
  const upstream = rememberAbsences(openUpstream(t, registry, { credentials: source }), {
    clock: () => 0,
    identity: identityOf(openCredentials(source, [])),
  });
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'unauthorized');
  const asked = registry.requests.length;
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(registry.requests.length, asked);
  writeFileSync(path, 'new\n');
  await upstream.resolve(REPOSITORY, 'v1');
  t.equal(registry.requests.at(-2)?.headers.authorization, basic('us', 'new'));
});

t.test('a token that the registry does not honour is not used again', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  const heal = registry.fault(
    ({ headers, url }) => url.includes('manifests') && headers.authorization !== undefined,
    { kind: 'status', status: 403 },
  );
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'unauthorized');
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(issuer.exchanges.length, 2);
  heal();
  await upstream.resolve(REPOSITORY, 'v1');
  await upstream.resolve(REPOSITORY, 'v1');
  t.equal(issuer.exchanges.length, 3, 'one that it honours is');
});

t.test('credentials are told apart without being told', async (t) => {
  const folder = testdir(t, { password: 'one' });
  const path = join(folder, 'password');
  const identity = identityOf(
    openCredentials({ kind: 'basic', username: 'us', password: passwordFile(path) }, []),
  );
  const first = await identity();
  t.equal(await identity(), first);
  t.notMatch(first, 'one');
  writeFileSync(path, 'two');
  const second = await identity();
  t.not(second, first);
  const gone = identityOf(
    openCredentials({ kind: 'docker-config', path: join(folder, 'missing') }, ['a']),
  );
  t.match(await gone(), /readable docker config/);
  t.equal(await identityOf(undefined)(), '');
});
