/** Images signed by identities of a private Sigstore, by every signer that can, through three clients. */
import './lab/namespace.ts';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { tag } from './lab/cases.ts';
import { oneOfEachFamily } from './lab/clients/families.ts';
import { prepareKeylessCases, releases } from './lab/keyless-cases.ts';
import { everyThird, runCases, toolsFor } from './lab/matrix.ts';
import { labFolder } from './lab/namespace.ts';
import { serveConfig, type Proxy } from './lab/proxy.ts';
import { isRefused } from './lab/refusal.ts';
import { startRegistry } from './lab/registry.ts';
import { keylessConfig, keylessRules } from './lab/sigstore-config.ts';
import { startInstance } from './lab/sigstore-instance.ts';
import { startMockSigstore } from './lab/sigstore-server.ts';
import { createCertificateSigners } from './lab/sigstore-signers.ts';
import { suite } from './lab/suite.ts';
import { timestampServerName } from './lab/timestamp-server.ts';

const kinds = oneOfEachFamily;

suite(`a private Sigstore with ${timestampServerName}`, toolsFor(kinds), async (t) => {
  const registry = await startRegistry(labFolder, 'none');
  t.teardown(() => registry.close());
  const instance = await startInstance();
  t.teardown(() => instance.stop());
  const mock = await startMockSigstore();
  t.teardown(() => mock.close());
  const signers = await createCertificateSigners(join(labFolder, 'signers'), registry);
  const { admitted, refused } = await prepareKeylessCases(registry, signers, instance, mock);

  const startProxy = (t: Test): Promise<Proxy> => {
    // Sockets have short names only, so the folder does too.
    const folder = mkdtempSync(join(labFolder, 'k-'));
    const proxy = serveConfig(folder, keylessConfig(folder, registry, instance, mock, releases));
    t.teardown(async () => (await proxy).stop());
    return proxy;
  };
  await t.test('countersign verify', async (t) => {
    const proxy = await startProxy(t);
    for (const { title, repository, image } of admitted) {
      const { status, output } = await verify(proxy, repository);
      t.equal(status, 0, `admits ${title}`, { output });
      t.match(output, image.digest, 'shows the digest');
      t.match(output, releases.subject, 'says who signed');
    }
    for (const { title, repository, because } of refused) {
      const { status, output } = await verify(proxy, repository);
      t.equal(status, 1, `denies ${title}`, { output });
      t.match(output.replaceAll(/\s+/g, ' '), because, 'says why');
    }
  });
  for (const [place, kind] of kinds.entries()) {
    await t.test(kind.name, async (t) => {
      const proxy = await startProxy(t);
      const folder = mkdtempSync(join(labFolder, 'c-'));
      const client = await kind.start({ proxy: proxy.host, folder });
      t.teardown(() => client.stop());
      // `countersign verify` meets all of them, and each is met by a client.
      const shared = everyThird(admitted, place);
      await runCases(t, { kind, client, proxy }, { admitted: shared, refused: [] });
      for (const one of everyThird(refused, place)) {
        await t.test(`is refused: ${one.title}`, (t) =>
          isRefused(t, kind, client, { ...one, rule: keylessRules[one.area] }),
        );
      }
    });
  }
});

function verify(proxy: Proxy, repository: string) {
  const reference = `lab.local/${repository}:${tag}`;
  return proxy.command('verify', reference, '--config', proxy.configFile);
}
