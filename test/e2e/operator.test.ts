/** What operators do themselves: the command line, a restart, a crash, and cosign behind the proxy. */
import './lab/namespace.ts';
import { join } from 'node:path';
import type { Test } from 'tap';
import { tag } from './lab/cases.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { everyThird } from './lab/matrix.ts';
import { labFolder } from './lab/namespace.ts';
import { run } from './lab/process.ts';
import { startProxy, type Proxy } from './lab/proxy.ts';
import { suite, upstreamTools } from './lab/suite.ts';
import { toolPath } from './lab/tools.ts';
import { startUpstream, type Upstream } from './lab/upstream.ts';

suite('an operator', [...upstreamTools, 'crane'], async (t) => {
  const upstream = await startUpstream(t, 'basic');
  const folder = join(labFolder, 'proxy');
  const proxy = await startProxy(folder, upstream.registry, upstream.signers);
  t.teardown(() => proxy.stop());
  await t.test('countersign verify', (t) => verifies(t, proxy, upstream));
  await t.test('cosign verify through the proxy', (t) => cosign(t, proxy, upstream));
  await t.test('a restart and a crash without any upstream', (t) => restarts(t, upstream));
});

async function verifies(t: Test, proxy: Proxy, { cases, registry }: Upstream): Promise<void> {
  const verify = (...args: readonly string[]) =>
    proxy.command('verify', ...args, '--config', proxy.configFile);
  // Each is a process that takes its time; what it decides with is what the clients meet.
  for (const { title, repository, image } of everyThird(cases.admitted, 0)) {
    const reference = `lab.local/${repository}:${tag}`;
    const { status, output } = await verify(reference);
    t.equal(status, 0, `admits ${title}`, { output });
    t.match(output, image.digest, 'shows the digest');
  }
  for (const { title, repository, kind } of everyThird(cases.refused, 2)) {
    // Blobs are proven when they are served; the manifest is all that a signature speaks of.
    const expected = kind === 'altered blob' ? 0 : 1;
    const { status, output } = await verify(`lab.local/${repository}:${tag}`);
    t.equal(status, expected, `${expected === 0 ? 'admits' : 'denies'} ${title}`, { output });
  }
  const [first] = cases.admitted;
  const reference = `lab.local/${first?.repository ?? ''}:${tag}`;
  const json = await verify(reference, '--json');
  const report: unknown = JSON.parse(json.stdout);
  t.match(report, { outcome: 'admitted', digest: first?.image.digest, reference });
  const unknown = await verify(`elsewhere.test/app:${tag}`);
  t.equal(unknown.status, 2, 'an upstream nobody configured is a mistake');
  const malformed = await verify('lab.local/UPPER CASE');
  t.equal(malformed.status, 2, 'a name that is none is a mistake');
  t.equal(
    (await proxy.command('config', 'check', proxy.configFile)).status,
    0,
    'the configuration is sound',
  );
  await registry.stop();
  const undecided = await verify(reference);
  t.equal(undecided.status, 3, 'without an upstream it cannot tell', { output: undecided.output });
  await registry.start();
}

async function cosign(t: Test, proxy: Proxy, { cases, signers }: Upstream): Promise<void> {
  const signed: readonly (readonly [tool: 'cosign 2' | 'cosign 3', name: string])[] = [
    ['cosign 2', 'signed-2'],
    ['cosign 2', 'signed-skopeo'],
    ['cosign 3', 'signed-3'],
    ['cosign 3', 'signed-index-3'],
  ];
  const verify = (tool: 'cosign 2' | 'cosign 3', reference: string) =>
    run(toolPath(tool), [
      ...['verify', '--key', signers.trusted.publicFile, '--insecure-ignore-tlog=true'],
      ...['--allow-http-registry', `${proxy.host}/lab.local/${reference}`],
    ]);
  for (const [tool, name] of signed) {
    const { status, output } = await verify(tool, `cases/${name}:${tag}`);
    const image = cases.admitted.find(({ repository }) => repository === `cases/${name}`)?.image;
    t.equal(status, 0, `${tool} finds the signature of ${name}`, { output });
    t.match(output, image?.digest ?? 'no image', 'for the digest that was signed');
  }
  for (const tool of ['cosign 2', 'cosign 3'] as const) {
    const { status } = await verify(tool, `cases/unsigned:${tag}`);
    t.not(status, 0, `${tool} finds none for what is unsigned`);
  }
}

async function restarts(t: Test, { cases, registry, signers }: Upstream): Promise<void> {
  const kind = copierKinds.find(({ name }) => name === 'crane');
  if (kind === undefined) throw new Error('expected crane among the clients');
  const folder = join(labFolder, 'restarted');
  const pullAll = async (proxy: Proxy, copies: string): Promise<void> => {
    const client = await kind.start({ proxy: proxy.host, folder: join(folder, copies) });
    for (const { title, repository, image } of cases.admitted) {
      const pulled = await client.pull({ repository, reference: tag });
      t.equal(pulled.digest, image.digest, `${copies}: ${title}`, { clientSaid: pulled.output });
    }
  };

  const first = await startProxy(folder, registry, signers);
  await pullAll(first, 'at first');
  t.equal(await first.stop(), 0, 'ends well when asked to');
  await registry.stop();
  const second = await startProxy(folder, registry, signers);
  await pullAll(second, 'after a restart');
  await second.kill();
  const third = await startProxy(folder, registry, signers);
  t.teardown(() => third.stop());
  await pullAll(third, 'after a crash');
  await registry.start();
}
