/** The operator's own word: approved with every kind of key, as cosign, docker, containerd and podman see it, and taken back. */
import './lab/namespace.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { openSigner } from '../../src/signing/open-signer.ts';
import { surroundings } from '../signing/environments.ts';
import {
  approvalClients,
  openApprovalScene,
  type ApprovalScene,
  type OwnKey,
} from './lab/approval-scene.ts';
import { tag } from './lab/cases.ts';
import { buildImage, buildIndex } from './lab/images.ts';
import { keepEveryKind, keepersName } from './lab/key-keepers.ts';
import { toolsFor } from './lab/matrix.ts';
import { labFolder } from './lab/namespace.ts';
import { run, type Finished } from './lab/process.ts';
import { suite } from './lab/suite.ts';
import type { RefusalWords } from './lab/tag-scene.ts';
import { toolPath, type Tool } from './lab/tools.ts';

suite(`approvals, with ${keepersName}`, [...toolsFor(approvalClients), 'oras'], async (t) => {
  const scene = await openApprovalScene(t);
  writeFileSync(noServices, NOTHING);
  // It ends while the other tests run.
  const ends = await limit(t, scene);
  for (const key of scene.keys) await t.test(`by ${key.title}`, (t) => byKey(t, scene, key));
  await t.test('by every kind of key in Vault and KMS', (t) => byEveryKind(t, scene));
  await t.test('for a rule that asks for nothing else', (t) => alone(t, scene));
  await t.test('for a rule that asks for the vendor as well', (t) => besideVendor(t, scene));
  await t.test('of an index', (t) => ofIndex(t, scene));
  await t.test('with an end', (t) => hasEnded(t, scene, ends));
});

const FORBIDDEN = /403 Forbidden by countersign/;

function denied(message: RegExp): RefusalWords {
  return { message, phrase: FORBIDDEN };
}

function firstOf(scene: ApprovalScene): OwnKey {
  const [key] = scene.keys;
  if (key === undefined) throw new Error('expected keys');
  return key;
}

function cosign(tool: Tool, ...args: readonly string[]): Promise<Finished> {
  return run(toolPath(tool), args, { env: { TUF_ROOT: join(labFolder, 'tuf') } });
}

/** cosign 2 would fetch the public one, for which there is no use here. */
const noServices = join(labFolder, 'no-services.json');
const NOTHING = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}';
const LOCALLY = ['--insecure-ignore-tlog', '--allow-http-registry'];

async function byKey(t: Test, scene: ApprovalScene, key: OwnKey): Promise<void> {
  const repository = `ours/${key.title.toLowerCase().replaceAll(' ', '-')}`;
  const image = buildImage(repository);
  await scene.publish(repository, image);
  t.equal(await scene.status(repository), 403, 'is refused');
  const { status, output } = await scene.approve(repository, key, '--note', 'looked at — fine');
  t.equal(status, 0, 'is approved', { output });
  t.match(output, image.digest, 'which digest is told');
  t.equal(await scene.status(repository), 200, 'and is served at the next request');
  const name = `${scene.proxy.host}/${scene.name(repository)}`;
  const verified = await cosign('cosign 3', 'verify', '--key', key.publicFile, ...LOCALLY, name);
  t.equal(verified.status, 0, 'cosign 3 verifies it through the proxy', verified);
  t.match(verified.output, image.digest);
  const stranger = scene.signers.stranger.publicFile;
  const other = await cosign('cosign 3', 'verify', '--key', stranger, ...LOCALLY, name);
  t.not(other.status, 0, 'and not with another key', other);
  const attested = await cosign(
    'cosign 2',
    ...['verify-attestation', '--key', key.publicFile, '--new-bundle-format', ...LOCALLY],
    ...['--trusted-root', noServices, '--type', 'https://sigstore.dev/cosign/sign/v1', name],
  );
  t.equal(attested.status, 0, 'cosign 2 verifies it as the statement that it is', attested);
  const tree = await cosign('cosign 3', 'tree', '--allow-http-registry', name);
  const listed = await run(toolPath('oras'), ['discover', '--plain-http', name]);
  t.match(
    listed.output,
    'application/vnd.dev.sigstore.bundle.v0.3+json',
    'and so does oras',
    listed,
  );
  t.match(tree.output, 'artifacts via OCI referrer', 'cosign lists it', tree);
}

/** Each signature is verified before anybody gets it. */
async function byEveryKind(t: Test, scene: ApprovalScene): Promise<void> {
  for (const { name, env } of await keepEveryKind(scene.keys)) {
    const signer = await openSigner(name, surroundings({}, env));
    t.ok((await signer.sign(Buffer.from('what is signed'))).length > 0, name);
    await signer.close();
  }
}

async function alone(t: Test, scene: ApprovalScene): Promise<void> {
  const repository = 'ours/app';
  const target = { repository, reference: tag };
  const image = buildImage(repository);
  await scene.publish(repository, image);
  const unsigned = denied(/"approved".*no signature was found/);
  await scene.isRefused(t, target, unsigned);
  t.match(await scene.approve(repository, firstOf(scene)), { status: 0 });
  await scene.arrives(t, target, image);
  t.match(
    (await scene.command('approvals', 'list')).output,
    `${scene.name(repository)}  ${image.digest}`,
  );
  t.match(await scene.command('revoke', scene.name(repository), '--reason', 'a test'), {
    status: 0,
  });
  t.equal(await scene.status(repository), 403, 'is refused at the next request');
  await scene.isRefused(t, target, denied(/"approved"/));
  t.match(await scene.approve(repository, firstOf(scene)), { status: 0 });
  await scene.arrives(t, target, image);
}

async function besideVendor(t: Test, scene: ApprovalScene): Promise<void> {
  const repository = 'both/app';
  const target = { repository, reference: tag };
  const image = buildImage(repository);
  await scene.publish(repository, image);
  t.match(await scene.approve(repository, firstOf(scene)), { status: 0 });
  await scene.isRefused(t, target, denied(/signed by someone else|no signature/));
  await scene.signers.cosign3(repository, image.digest, scene.signers.trusted);
  // That it was not signed is remembered for some seconds.
  await becomes(scene, repository, 200);
  await scene.arrives(t, target, image);
  const name = `${scene.proxy.host}/${scene.name(repository)}`;
  for (const file of [firstOf(scene).publicFile, scene.signers.trusted.publicFile]) {
    const verified = await cosign('cosign 3', 'verify', '--key', file, ...LOCALLY, name);
    t.equal(verified.status, 0, 'cosign verifies either', verified);
  }
  t.match(await scene.command('revoke', scene.name(repository)), { status: 0 });
  t.equal(await scene.status(repository), 403);
  await scene.isRefused(t, target, denied(/"approved and signed"/));
}

async function ofIndex(t: Test, scene: ApprovalScene): Promise<void> {
  const repository = 'ours/index';
  const target = { repository, reference: tag };
  const image = buildIndex(repository);
  await scene.publish(repository, image);
  const { status, output } = await scene.approve(repository, firstOf(scene));
  t.equal(status, 0, 'is approved', { output });
  t.match(output, /an index of 2 manifests.*linux\/amd64/);
  await scene.arrives(t, target, image);
}

const LIMITED = 'ours/limited';
const LIFE = 30_000;

async function limit(t: Test, scene: ApprovalScene): Promise<string> {
  await scene.publish(LIMITED, buildImage(LIMITED));
  const ends = new Date(Date.now() + LIFE).toISOString();
  t.match(await scene.approve(LIMITED, firstOf(scene), '--expires', ends), { status: 0 });
  t.equal(await scene.status(LIMITED), 200, 'is served until it ends');
  return ends;
}

async function hasEnded(t: Test, scene: ApprovalScene, ends: string): Promise<void> {
  await becomes(scene, LIMITED, 403);
  t.ok(Date.now() >= Date.parse(ends), 'not before its end');
  const target = { repository: LIMITED, reference: tag };
  await scene.isRefused(t, target, denied(/the approval expired at 20/));
  t.match((await scene.command('approvals', 'list')).output, /ours\/limited.*\(expired\)/);
}

async function becomes(scene: ApprovalScene, repository: string, wanted: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  while ((await scene.status(repository)) !== wanted) {
    if (Date.now() > deadline) throw new Error(`expected ${wanted} of ${repository}`);
    await sleep(50);
  }
}
