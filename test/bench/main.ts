/**
 * `npm run bench -- [NAME...] [--json FILE]`: what Countersign costs beside others, in one run on one machine; only the
 * ratios mean anything.
 */
import { parseArgs } from 'node:util';
import { benchColdPull } from './cold-pull.ts';
import { benchDenialStorm } from './denial-storm.ts';
import { benchFirstVerification } from './first-verification.ts';
import { benchLargeLayer } from './large-layer.ts';
import { describeMachine, showTable, writeJson, type Row } from './report.ts';
import { hasNginx, hasZot } from './servers.ts';
import { benchSlowClients } from './slow-clients.ts';
import { benchStampede } from './stampede.ts';
import { benchAtRest, benchStartUp } from './start-up.ts';
import { benchUpstreamTrouble } from './upstream-trouble.ts';
import { benchRanges, benchWarmBlobs } from './warm-blobs.ts';
import { benchWarmManifests } from './warm-manifests.ts';

const PARTS: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  'warm-manifests': benchWarmManifests,
  'warm-blobs': benchWarmBlobs,
  ranges: benchRanges,
  'cold-pull': benchColdPull,
  stampede: benchStampede,
  'large-layer': benchLargeLayer,
  'slow-clients': benchSlowClients,
  'denial-storm': benchDenialStorm,
  'upstream-trouble': benchUpstreamTrouble,
  'start-up': benchStartUp,
  'at-rest': benchAtRest,
  'first-verification': benchFirstVerification,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' } },
});
const unknown = positionals.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  throw new Error(`expected ${Object.keys(PARTS).join(', ')}, got ${unknown}`);
}
console.log(describeMachine());
if (!hasNginx())
  console.log('nginx is not on this machine: what needs it is left out (nginx-light)');
if (!hasZot()) console.log('zot is not on this machine: it is left out');
const results = new Map<string, readonly Row[]>();
for (const name of positionals.length === 0 ? Object.keys(PARTS) : positionals) {
  console.log(`\n== ${name}\n`);
  const rows = (await PARTS[name]?.()) ?? [];
  // One part shows more about itself than its rows say.
  if (name !== 'first-verification') showTable(rows);
  results.set(name, rows);
  if (values.json !== undefined) writeJson(values.json, results);
}
