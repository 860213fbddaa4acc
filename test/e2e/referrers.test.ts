/** Bundles that only a referrers API leads to, through one client of every kind. */
import './lab/namespace.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { oneOfEachFamily } from './lab/clients/families.ts';
import { everyThird, openScene, runCases, toolsFor } from './lab/matrix.ts';
import { copyWithReferrers, startReferrersRegistry } from './lab/referrers-upstream.ts';
import { suite } from './lab/suite.ts';
import { startUpstream } from './lab/upstream.ts';

const kinds = [...oneOfEachFamily, ...copierKinds.filter(({ name }) => name === 'crane')];

const admitted = ['signed-3', 'signed-index-3', 'signed-list'];
const refused = ['unsigned', 'stranger-3', 'moved-3', 'edited-3'];

suite('an upstream with a referrers API', toolsFor(kinds), async (t) => {
  const { registry, signers, cases } = await startUpstream(t, 'none');
  const fake = await startReferrersRegistry();
  t.teardown(() => fake.close());
  const isOneOf = (names: readonly string[], repository: string) =>
    names.some((name) => repository === `cases/${name}`);
  const chosen = {
    admitted: cases.admitted.filter(({ repository }) => isOneOf(admitted, repository)),
    refused: cases.refused.filter(({ repository }) => isOneOf(refused, repository)),
  };
  const all = [...chosen.admitted, ...chosen.refused];
  t.equal(all.length, admitted.length + refused.length, 'all cases are there');
  for (const one of all) await copyWithReferrers(registry, fake, one);

  const { login } = registry;
  const proxied = { host: fake.host, guard: 'none', login, tokenHost: undefined } as const;
  for (const [place, kind] of kinds.entries()) {
    await t.test(kind.name, async (t) => {
      const scene = await openScene(t, proxied, signers, kind);
      await runCases(t, scene, {
        admitted: everyThird(chosen.admitted, place),
        refused: everyThird(chosen.refused, place),
      });
    });
  }
  t.ok(fake.asked(/^GET .*\/referrers\//).length > 0, 'the referrers API was asked');
});
