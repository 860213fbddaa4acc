/** Images that the real `notation` signed, through three clients, and `notation verify` behind the proxy. */
import './lab/namespace.ts';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { tag } from './lab/cases.ts';
import { oneOfEachFamily } from './lab/clients/families.ts';
import { everyThird, runCases } from './lab/matrix.ts';
import { labFolder } from './lab/namespace.ts';
import { prepareNotationCases, type NotationCases } from './lab/notation-cases.ts';
import { notationConfig, notationVerifier, openUpstream } from './lab/notation-config.ts';
import { createNotationSigners, type NotationSigners } from './lab/notation-signers.ts';
import { serveConfig, type Proxy } from './lab/proxy.ts';
import { isRefused } from './lab/refusal.ts';
import { startRegistry } from './lab/registry.ts';
import { suite } from './lab/suite.ts';
import { timestampServerName } from './lab/timestamp-server.ts';
import type { Tool } from './lab/tools.ts';

const kinds = oneOfEachFamily;
const tools: readonly Tool[] = [
  'busybox',
  'docker-registry',
  'notation',
  ...kinds.flatMap(({ needs }) => needs),
];

suite(`notation with ${timestampServerName}`, tools, async (t) => {
  const registry = await startRegistry(labFolder, 'none');
  t.teardown(() => registry.close());
  const signers = await createNotationSigners(join(labFolder, 'signers'), registry);
  t.teardown(() => signers.stop());
  const cases = await prepareNotationCases(registry, signers);

  const startProxy = (t: Test): Promise<Proxy> => {
    // Sockets have short names only, so the folder does too.
    const folder = mkdtempSync(join(labFolder, 'n-'));
    const proxy = serveConfig(folder, notationConfig(folder, registry, signers));
    t.teardown(async () => (await proxy).stop());
    return proxy;
  };
  await t.test('the command lines', async (t) => {
    const proxy = await startProxy(t);
    await t.test('countersign verify', (t) => countersign(t, proxy, cases));
    await t.test('notation verify', (t) => notation(t, proxy, cases, signers));
  });
  for (const [place, kind] of kinds.entries()) {
    await t.test(kind.name, async (t) => {
      const proxy = await startProxy(t);
      const folder = mkdtempSync(join(labFolder, 'c-'));
      const client = await kind.start({ proxy: proxy.host, folder });
      t.teardown(() => client.stop());
      // `notation verify` meets all of them, and each is met by a client.
      const admitted = everyThird(cases.admitted, place);
      await runCases(t, { kind, client, proxy }, { admitted, refused: [] });
      for (const one of everyThird(cases.refused, place)) {
        await t.test(`is refused: ${one.title}`, (t) => isRefused(t, kind, client, one));
      }
    });
  }
});

async function countersign(
  t: Test,
  proxy: Proxy,
  { admitted, refused }: NotationCases,
): Promise<void> {
  const verify = (repository: string) =>
    proxy.command('verify', `lab.local/${repository}:${tag}`, '--config', proxy.configFile);
  for (const { title, repository, image } of sample(admitted)) {
    const { status, output } = await verify(repository);
    t.equal(status, 0, `admits ${title}`, { output });
    t.match(output, image.digest, 'shows the digest');
    t.match(output, 'CN=release', 'says who signed');
  }
  for (const { title, repository, because } of sample(refused)) {
    const { status, output } = await verify(repository);
    t.equal(status, 1, `denies ${title}`, { output });
    t.match(output.replaceAll(/\s+/g, ' '), because, 'says why');
  }
}

/** Clients are told the same of every case, and starting it takes longer than deciding: a fourth of them will do. */
function sample<T>(cases: readonly T[]): readonly T[] {
  return process.env['E2E_WHOLE'] === '1' ? cases : cases.filter((_, index) => index % 4 === 0);
}

/** The specification leaves no choice in any of these cases, so both have to say the same. */
async function notation(
  t: Test,
  proxy: Proxy,
  { admitted, refused }: NotationCases,
  signers: NotationSigners,
): Promise<void> {
  const verify = notationVerifier(join(labFolder, 'verifier'), signers);
  for (const { area, title, repository, image } of admitted) {
    const reference = `${proxy.host}/lab.local/${repository}:${tag}`;
    const { status, output } = await verify(area, reference);
    t.equal(status, 0, `agrees: ${title}`, { output });
    t.match(output, image.digest, 'about the digest that was signed');
  }
  for (const { area, title, repository, notationSays } of refused) {
    // What Countersign refuses it does not show: notation judges where everything is served.
    const open = await verify(area, `${proxy.host}/${openUpstream}/${repository}:${tag}`);
    t.not(open.status, 0, `agrees about ${title}`, { output: open.output });
    t.match(open.output, notationSays, 'says why');
    const closed = await verify(area, `${proxy.host}/lab.local/${repository}:${tag}`);
    t.not(closed.status, 0, 'gets nothing where Countersign refuses it');
    t.match(closed.output, 'response status code 403: Forbidden', 'as it is told');
  }
}
