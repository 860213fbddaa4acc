/** `npm run demo`: the proxy at work with no network: what is signed arrives, everything else is refused, and why. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { verify } from '../../src/cli/verify.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startFakeRegistry } from '../helpers/fake-registry.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { cosign2, cosign3, createSigner, putSigTag, simplePayload } from '../helpers/signer.ts';

const REPOSITORY = 'team/app';
const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
const registry = await startFakeRegistry({ fallbackTags: true });
const release = createSigner();
const stranger = createSigner();

// An upstream with honest and dishonest images.
const signed = putImage(registry, REPOSITORY, 'signed', { tag: 'signed' });
cosign2(registry, REPOSITORY, signed.digest, release);
const index = putIndex(
  registry,
  REPOSITORY,
  ['amd64', 'arm64'].map((name) => putImage(registry, REPOSITORY, name)),
  { tag: 'multi-arch' },
);
cosign3(registry, REPOSITORY, index, release);
putImage(registry, REPOSITORY, 'unsigned', { tag: 'unsigned' });
const foreign = putImage(registry, REPOSITORY, 'foreign', { tag: 'foreign-key' });
cosign2(registry, REPOSITORY, foreign.digest, stranger);
const moved = putImage(registry, REPOSITORY, 'moved', { tag: 'moved-signature' });
const payload = simplePayload(signed.digest);
putSigTag(registry, REPOSITORY, moved.digest, [{ payload, signature: release.sign(payload) }]);
const edited = putImage(registry, REPOSITORY, 'edited', { tag: 'edited-manifest' });
cosign2(registry, REPOSITORY, edited.digest, release);
registry.fault(new RegExp(`GET .*/manifests/${edited.digest}`), { kind: 'corrupt', at: 40 });
const rotten = putImage(registry, REPOSITORY, 'rotten', { tag: 'edited-blob' });
cosign2(registry, REPOSITORY, rotten.digest, release);
registry.fault(new RegExp(`GET .*/blobs/${String(rotten.layers[0])}`), { kind: 'corrupt', at: 3 });

writeFileSync(join(folder, 'release.pub'), release.publicPem);
writeFileSync(
  join(folder, 'countersign.yaml'),
  `listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${join(folder, 'cache')} }
upstreams:
  lab.local: { url: "${registry.url}", insecureHttp: true }
trustRoots:
  release-keys: { publicKeys: [./release.pub] }
policies:
  - name: our releases
    match: lab.local/team/**
    require: { key: { trustRoot: release-keys } }
    tags: { refresh: 1h }
`,
);
const config = loadConfig(join(folder, 'countersign.yaml'), { env: {}, inspect: inspectRules });
const logger = pino({ level: 'silent' });
const nothing = (): void => undefined;
const observer = { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing };
const app = await startApp(config, { logger, observer });

say('Countersign demo. The rule: lab.local/team/** must be signed by release.pub.');
say();
await pull('signed', 'signed with cosign 2 (.sig tag)');
await pull('multi-arch', 'an index, signed with cosign 3 (bundle); its children by grant');
await pull('unsigned', 'nobody signed it');
await pull('foreign-key', 'signed by somebody else');
await pull('moved-signature', "with another image's signature");
await pull('edited-manifest', 'signed, then edited by the upstream');
await pull('edited-blob', 'signed, one byte of a layer edited by the upstream');
const verifier = await openVerifier(config, logger);
say('countersign verify lab.local/team/app:moved-signature');
await verify(
  'lab.local/team/app:moved-signature',
  verifier,
  { json: false },
  { out: say, err: say },
);
await verifier.close();
say();
await registry.close();
say('The upstream is switched off now.');
await pull('signed', 'decided and kept before');
await pull('other', 'never asked for before');
await app.close();
rmSync(folder, { recursive: true, force: true });

/** Pulls as a client does: manifest, children, then every blob. */
async function pull(tag: string, story: string): Promise<void> {
  say(`pull lab.local/team/app:${tag} (${story})`);
  const result = await pullManifest(tag);
  say(`  ${result}`);
}

async function pullManifest(reference: string): Promise<string> {
  const manifest = await get(`manifests/${reference}`);
  if (manifest.status !== 200) return refusal(manifest);
  const {
    config: configuration,
    layers,
    manifests,
  } = JSON.parse(manifest.body.toString()) as {
    config?: { digest: string };
    layers?: { digest: string }[];
    manifests?: { digest: string }[];
  };
  for (const child of manifests ?? []) {
    const result = await pullManifest(child.digest);
    if (!result.startsWith('✓')) return result;
  }
  const blobs = [...(configuration === undefined ? [] : [configuration]), ...(layers ?? [])];
  for (const { digest } of blobs) {
    const blob = await get(`blobs/${digest}`);
    if (blob.status !== 200) return refusal(blob);
  }
  const parts = manifests === undefined ? `${blobs.length} blobs` : `${manifests.length} children`;
  return `✓ 200 ${manifest.digest.slice(0, 19)}…, ${parts}`;
}

interface Reply {
  readonly status: number;
  readonly body: Buffer;
  readonly digest: string;
}

async function get(path: string): Promise<Reply> {
  const response = await request(`${app.url}/v2/lab.local/${REPOSITORY}/${path}`);
  const body = Buffer.from(await response.body.arrayBuffer());
  return {
    status: response.statusCode,
    body,
    digest: String(response.headers['docker-content-digest']),
  };
}

function refusal({ status, body }: Reply): string {
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  const { code = '', message = '' } = errors[0] ?? {};
  const short = message.replaceAll(/sha256([:-])([0-9a-f]{8})[0-9a-f]{56}/g, 'sha256$1$2…');
  return `✗ ${status} ${code}: ${short}`;
}
