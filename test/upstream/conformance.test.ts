/** Every upstream, and everything that is laid around one, keeps the promises of the port. */
import { withSignaturesAt } from '../../src/admission/signature-place.ts';
import { rememberAbsences } from '../../src/upstream/absence-memory.ts';
import { breakCircuit } from '../../src/upstream/circuit-breaker.ts';
import { keepLimits } from '../../src/upstream/limit-keeper.ts';
import { mirrorUpstream } from '../../src/upstream/mirrored-upstream.ts';
import { rememberManifests } from '../../src/upstream/remembering-upstream.ts';
import { createSparedUpstream } from '../../src/upstream/spared-upstream.ts';
import { openUpstream, openFakeRegistry } from '../helpers/open-upstream.ts';
import { upstreamConformance } from '../ports/upstream.ts';

const nothing = (): void => undefined;
const logger = { debug: nothing, info: nothing, warn: nothing };
const clock = (): number => 0;

upstreamConformance('a registry', (t, registry) => openUpstream(t, registry));
upstreamConformance('a registry with circuits', (t, registry) =>
  breakCircuit(openUpstream(t, registry), { logger, clock }),
);
upstreamConformance('a registry whose limits are kept', (t, registry) =>
  keepLimits(openUpstream(t, registry), { logger, clock, budget: { isLow: () => false } }),
);
upstreamConformance('a spared registry', (t, registry) => {
  const upstream = createSparedUpstream({
    name: 'registry.test',
    url: new URL(registry.url),
    insecureHttp: true,
    privateHosts: [],
    retry: { firstPause: 1, longestPause: 5 },
    logger,
  });
  t.teardown(() => upstream.close());
  return upstream;
});
upstreamConformance('a registry whose absences are remembered', (t, registry) =>
  rememberAbsences(openUpstream(t, registry), { clock, identity: async () => '' }),
);
upstreamConformance('a registry whose manifests are remembered', (t, registry) =>
  rememberManifests(openUpstream(t, registry), new Map()),
);
for (const isPreferred of [false, true]) {
  const which = isPreferred ? 'before' : 'after';
  upstreamConformance(`a registry with an empty mirror ${which} it`, async (t, registry) => {
    const place = openUpstream(t, await openFakeRegistry(t));
    const mirror = { place, isPreferred, knowsTags: isPreferred };
    return mirrorUpstream(openUpstream(t, registry), [mirror], logger);
  });
}
upstreamConformance('a registry with signatures elsewhere', async (t, registry) => {
  const upstream = openUpstream(t, registry);
  const place = { upstream, repository: { registry: 'registry.test', path: 'team/app' } };
  const image = { ...place, repository: { ...place.repository, path: 'elsewhere' } };
  return withSignaturesAt(place, image);
});
