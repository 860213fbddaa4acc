/** What this side attaches itself: approvals count, are served, need nobody, and end when the operator says so. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { fingerprintOf, putApproval } from '../helpers/approval.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import {
  cosign2,
  cosign3,
  simplePayload,
  createSigner,
  rootOf,
  type Signer,
} from '../helpers/signer.ts';
import type { Test } from 'tap';
import { startProxy, type TestRule } from '../helpers/proxy.ts';

const repository = parseRepository('lab.local', TEAM);
const OURS = { require: { key: { trustRoot: 'ours' } } } as const;
const BOTH = {
  require: { allOf: [{ key: { trustRoot: 'release' } }, { key: { trustRoot: 'ours' } }] },
} as const;

interface Approving extends Lab {
  readonly ours: Signer;
  readonly vendor: Signer;
}

async function open(t: Test, rule: Partial<TestRule> = OURS): Promise<Approving> {
  const ours = createSigner();
  const vendor = createSigner();
  const trustRoots = [rootOf('ours', ours), rootOf('release', vendor)];
  return {
    ...(await openLab(t, { rule, trustRoots, registry: { fallbackTags: true } })),
    ours,
    vendor,
  };
}

const revoke = async ({ proxy, ours }: Approving, subject: ReturnType<typeof digestOf>) => {
  await proxy.records.local.revoke({
    ...{ repository, subject, keys: [fingerprintOf(ours)] },
    ...{ at: 2000, reason: 'a test' },
  });
};

/** As the proxy does within half a second of another process's writing. */
const notice = ({ proxy }: Lab): void => {
  proxy.admission.forget();
};

t.test('an approval admits what nobody else signed, at once', async (t) => {
  const lab = await open(t);
  const image = lab.image('app', { tag: 'v1' });
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
  await putApproval(lab.proxy.records.local, image, lab.ours);
  notice(lab);
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${image.layers[0] ?? ''}`)), '200');
});

t.test('it is served as a referrer, with everything that it names', async (t) => {
  const lab = await open(t);
  const image = lab.image('app');
  const theirs = cosign3(lab.registry, TEAM, image, lab.stranger);
  const made = await putApproval(lab.proxy.records.local, image, lab.ours);
  const listed = await lab.get(`referrers/${image.digest}`);
  const { manifests } = JSON.parse(listed.body.toString()) as { manifests: { digest: string }[] };
  t.strictSame(new Set(manifests.map(({ digest }) => digest)), new Set([made.digest, theirs]));
  t.match(manifests[0], { artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' });
  const manifest = await lab.get(`manifests/${made.digest}`);
  t.equal(manifest.status, 200);
  t.ok(manifest.body.equals(made.bytes));
  const bundle = await lab.get(`blobs/${made.bundle}`);
  t.equal(bundle.status, 200);
  t.equal(digestOf(bundle.body), made.bundle);
  t.equal(told(await lab.get(`blobs/${digestOf(Buffer.from('{}'))}`)), '200', 'its config');
});

t.test('nothing of it is served for an image that is not admitted', async (t) => {
  const lab = await open(t, BOTH);
  const image = lab.image('app');
  const made = await putApproval(lab.proxy.records.local, image, lab.ours);
  t.equal(told(await lab.get(`manifests/${made.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`blobs/${made.bundle}`)), '403 DENIED');
  const listed = await lab.get(`referrers/${image.digest}`);
  t.match(JSON.parse(listed.body.toString()), { manifests: [] });
});

t.test('beside the signature of a vendor both are needed', async (t) => {
  const lab = await open(t, BOTH);
  const image = lab.image('app');
  await putApproval(lab.proxy.records.local, image, lab.ours);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
  cosign2(lab.registry, TEAM, image.digest, lab.vendor);
  notice(lab);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
});

t.test(
  'what satisfies the rule alone needs no registry to be asked about signatures',
  async (t) => {
    const lab = await open(t);
    const image = lab.image('app');
    await putApproval(lab.proxy.records.local, image, lab.ours);
    lab.registry.fault(/referrers|\.sig|manifests\/sha256-/, { kind: 'status', status: 503 });
    t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  },
);

t.test('what a signature consists of is not fetched again where it is here', async (t) => {
  const lab = await open(t, { require: { key: { trustRoot: 'release' } } });
  const image = lab.image('app');
  cosign2(lab.registry, TEAM, image.digest, lab.vendor);
  const payload = simplePayload(image.digest);
  // As after a kill between the look at the signature and the decision.
  await lab.proxy.blobs.put(digestOf(payload), payload);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  t.strictSame(lab.registry.asked(/blobs/), []);
});

t.test('an approval of another repository, image or key does not count', async (t) => {
  const lab = await open(t);
  const image = lab.image('app');
  const other = lab.image('other');
  const { local } = lab.proxy.records;
  await putApproval(local, image, lab.stranger);
  await putApproval(local, other, lab.ours);
  await putApproval(local, image, lab.ours, { path: 'team/elsewhere' });
  const answer = await lab.get(`manifests/${image.digest}`);
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /signed by someone else/);
});

t.test('an approved index lets its children in, and takes them along', async (t) => {
  const lab = await open(t);
  const child = lab.image('child');
  const index = putIndex(lab.registry, TEAM, [child]);
  await putApproval(lab.proxy.records.local, index, lab.ours);
  const all = [
    `manifests/${index.digest}`,
    `manifests/${child.digest}`,
    `blobs/${child.layers[0] ?? ''}`,
  ];
  for (const what of all) t.equal(told(await lab.get(what)), '200', what);
  await revoke(lab, index.digest);
  notice(lab);
  for (const what of all) t.equal(told(await lab.get(what)), '403 DENIED', what);
});

t.test('an index falls with the approval of the child it rested on', async (t) => {
  const lab = await open(t);
  const child = lab.image('child');
  const index = putIndex(lab.registry, TEAM, [child]);
  await putApproval(lab.proxy.records.local, child, lab.ours);
  t.equal(told(await lab.get(`manifests/${index.digest}`)), '403 DENIED', 'alone it admits none');
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
});

t.test('a revoked approval counts no more, wherever somebody put it', async (t) => {
  const lab = await open(t);
  const image = lab.image('app', { tag: 'v1' });
  const made = await putApproval(lab.proxy.records.local, image, lab.ours);
  t.equal(told(await lab.get('manifests/v1')), '200');
  await revoke(lab, image.digest);
  notice(lab);
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  t.equal(told(await lab.get(`blobs/${image.layers[0] ?? ''}`)), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${made.digest}`)), '403 DENIED');
  t.equal(await lab.proxy.records.local.findContent(made.digest), undefined);
  cosign3(lab.registry, TEAM, image, lab.ours);
  cosign2(lab.registry, TEAM, image.digest, lab.ours);
  notice(lab);
  const answer = await lab.get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /the operator revoked what this key signed/);
  await putApproval(lab.proxy.records.local, image, lab.ours, { at: 3000 });
  notice(lab);
  t.equal(told(await lab.get('manifests/v1')), '200', 'approved again');
});

t.test('a revocation does not touch what others signed', async (t) => {
  const lab = await open(t, {
    require: { anyOf: [{ key: { trustRoot: 'release' } }, { key: { trustRoot: 'ours' } }] },
  });
  const image = lab.image('app');
  cosign2(lab.registry, TEAM, image.digest, lab.vendor);
  await putApproval(lab.proxy.records.local, image, lab.ours);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  await revoke(lab, image.digest);
  notice(lab);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
});

t.test('a decision under way while the operator revokes is made again', async (t) => {
  const lab = await open(t, BOTH);
  const image = lab.image('app');
  cosign2(lab.registry, TEAM, image.digest, lab.vendor);
  await putApproval(lab.proxy.records.local, image, lab.ours);
  const reached = Promise.withResolvers<undefined>();
  const gone = Promise.withResolvers<undefined>();
  const isSignature = ({ url }: { readonly url: string }): boolean => {
    if (!url.endsWith('.sig')) return false;
    reached.resolve(undefined);
    return true;
  };
  lab.registry.fault(isSignature, { kind: 'wait', until: gone.promise });
  const pull = lab.get(`manifests/${image.digest}`);
  await reached.promise;
  await revoke(lab, image.digest);
  gone.resolve(undefined);
  t.equal(told(await pull), '403 DENIED');
  notice(lab);
  t.equal(
    told(await lab.get(`manifests/${image.digest}`)),
    '403 DENIED',
    'nothing was left behind',
  );
});

t.test('it needs no answer of another repository that keeps the signatures', async (t) => {
  const registry = await openFakeRegistry(t);
  const keeper = await openFakeRegistry(t);
  const ours = createSigner();
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry, 'signatures.local': keeper },
    trustRoots: [rootOf('ours', ours)],
    policies: [
      { match: ['lab.local/**'], ...OURS, signatures: { repository: 'signatures.local/all' } },
    ],
  });
  keeper.fault(/./, { kind: 'status', status: 503 });
  const image = putImage(registry, TEAM, 'app', { tag: 'v1' });
  await putApproval(proxy.records.local, image, ours);
  t.equal(told(await proxy.get(`/v2/lab.local/${TEAM}/manifests/v1`)), '200');
});

t.test('one that is damaged on the disk counts for nothing, and is not served', async (t) => {
  const lab = await open(t);
  const image = lab.image('app');
  const made = await putApproval(lab.proxy.records.local, image, lab.ours);
  const database = new DatabaseSync(join(lab.proxy.path, 'records.sqlite'));
  const damage = (bytes: Buffer) =>
    database
      .prepare('UPDATE local_contents SET bytes = ? WHERE digest = ?')
      .run(bytes, made.digest);
  damage(Buffer.concat([made.bytes, Buffer.from(' ')]));
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
  cosign3(lab.registry, TEAM, image, lab.ours);
  notice(lab);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  t.equal(told(await lab.get(`manifests/${made.digest}`)), '404 MANIFEST_UNKNOWN');
  database.close();
});

t.test('what is fetched while the operator revokes is granted by nobody', async (t) => {
  const lab = await open(t);
  const image = lab.image('app');
  await putApproval(lab.proxy.records.local, image, lab.ours);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '200');
  cosign2(lab.registry, TEAM, image.digest, lab.vendor);
  const tag = `manifests/${image.digest.replace(':', '-')}.sig`;
  const signature = await (await fetch(`${lab.registry.url}/v2/${TEAM}/${tag}`)).bytes();
  const reached = Promise.withResolvers<undefined>();
  const gone = Promise.withResolvers<undefined>();
  const isSignature = ({ url }: { readonly url: string }): boolean => {
    if (!url.endsWith('.sig')) return false;
    reached.resolve(undefined);
    return true;
  };
  lab.registry.fault(isSignature, { kind: 'wait', until: gone.promise });
  const pull = lab.get(tag);
  await reached.promise;
  await revoke(lab, image.digest);
  gone.resolve(undefined);
  t.equal(told(await pull), '404 MANIFEST_UNKNOWN');
  notice(lab);
  t.equal(told(await lab.get(`manifests/${digestOf(Buffer.from(signature))}`)), '403 DENIED');
});
