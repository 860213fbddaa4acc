/** What every implementation of LocalRecords promises. */
import t, { type Test } from 'tap';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Approval, LocalAttachment } from '../../src/store/local-records.ts';
import type { Records } from '../../src/store/records.ts';

const repository = parseRepository('docker.io', 'library/alpine');
const elsewhere = parseRepository('docker.io', 'library/busybox');
const subject = digestOf(Buffer.from('an image'));
const KEY = 'sha256:key';

function descriptorOf(bytes: Buffer, change: Partial<Descriptor> = {}): Descriptor {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return { mediaType, digest: digestOf(bytes), size: bytes.length, ...change };
}

function approval(
  manifest: Digest,
  change: Partial<Approval> = {},
): Approval & { readonly manifest: Digest } {
  return {
    ...{
      repository,
      subject,
      key: KEY,
      reference: 'docker.io/library/alpine:3',
      note: 'looked at',
    },
    ...{ approvedAt: 1000, ...change, manifest },
  };
}

function attachment(name: string, change: Partial<LocalAttachment> = {}): LocalAttachment {
  const descriptor = descriptorOf(Buffer.from(name));
  return { repository, subject, descriptor, origin: 'import', at: 5, ...change };
}

/** Runs the conformance tests; `open` gives fresh, empty records each time. */
export function localRecordsConformance(
  name: string,
  open: (test: Test) => Promise<Records>,
): void {
  t.test(`${name}: an approval is listed, attached and has its bytes`, async (t) => {
    const { local } = await open(t);
    const bytes = Buffer.from('a manifest');
    const bundle = Buffer.from('a bundle');
    const descriptor = descriptorOf(bytes, { artifactType: 'a/type', annotations: { a: 'b' } });
    const made = approval(descriptor.digest, { expires: 9000 });
    const contents = [bytes, bundle].map((each) => ({ digest: digestOf(each), bytes: each }));
    await local.approve(made, descriptor, contents);
    t.strictSame(await local.listApprovals(), [made]);
    const listed = await local.listAttachments(repository, subject, 9);
    t.match(listed, [{ repository, subject, origin: 'approval', at: 1000 }]);
    t.match(listed[0]?.descriptor, { ...descriptor, annotations: { a: 'b' } });
    t.match(await local.findAttachment(repository, descriptor.digest), { subject });
    t.ok(bytes.equals((await local.findContent(descriptor.digest)) ?? Buffer.of()));
    t.ok(bundle.equals((await local.findContent(digestOf(bundle))) ?? Buffer.of()));
    t.strictSame(await local.listAttachments(elsewhere, subject, 9), []);
    t.equal(await local.findAttachment(elsewhere, descriptor.digest), undefined);
    t.strictSame(await local.findRevokedKeys(repository, subject), []);
  });

  t.test(`${name}: a key approves an image once, the last time counts`, async (t) => {
    const { local } = await open(t);
    const [first, second] = [Buffer.from('first'), Buffer.from('second')];
    const other = Buffer.from('of another key');
    for (const [bytes, change] of [
      [first, { approvedAt: 1 }],
      [second, { approvedAt: 2 }],
      [other, { approvedAt: 3, key: 'sha256:other' }],
    ] as const) {
      const descriptor = descriptorOf(bytes);
      const contents = [{ digest: descriptor.digest, bytes }];
      await local.approve(approval(descriptor.digest, change), descriptor, contents);
    }
    t.match(await local.listApprovals(), [{ approvedAt: 3 }, { approvedAt: 2 }]);
    const listed = await local.listAttachments(repository, subject, 9);
    t.strictSame(
      listed.map(({ descriptor }) => descriptor.digest),
      [digestOf(other), digestOf(second)],
    );
    t.equal(await local.findContent(digestOf(first)), undefined);
  });

  t.test(`${name}: a revocation takes the approval and every decision about it`, async (t) => {
    const records = await open(t);
    const { local } = records;
    const bytes = Buffer.from('a manifest');
    const descriptor = descriptorOf(bytes);
    await local.approve(approval(descriptor.digest), descriptor, [
      { digest: descriptor.digest, bytes },
    ]);
    const index = digestOf(Buffer.from('an index'));
    const layer = digestOf(Buffer.from('a layer'));
    const mediaType = descriptor.mediaType;
    const written = { repository, mediaType, size: 1 };
    const verdict = { ...written, verdict: '{}', decidedAt: 1 };
    for (const policyKey of ['one', 'two']) {
      const of = (digest: Digest) => ({ ...verdict, digest, policyKey });
      const grants = [
        { ...written, digest: subject, policyKey, kind: 'manifest', because: index },
        { ...written, digest: layer, policyKey, kind: 'blob', because: subject },
      ] as const;
      await records.record({ verdict: of(index), grants });
      await records.record({ verdict: of(subject) });
    }
    const bystander = { ...verdict, digest: layer, policyKey: 'one', repository: elsewhere };
    await records.record({ verdict: bystander });
    await local.revoke({ repository, subject, keys: [KEY], at: 2000, reason: 'a hole' });
    for (const policyKey of ['one', 'two']) {
      for (const digest of [index, subject]) {
        t.equal(await records.findVerdict({ repository, digest, policyKey }), undefined);
      }
      for (const [digest, of] of [
        [subject, 'manifest'],
        [layer, 'blob'],
      ] as const) {
        t.strictSame(await records.findGrants({ repository, digest, policyKey }, of, 9), []);
      }
    }
    t.ok(await records.findVerdict(bystander));
    t.strictSame(await local.listAttachments(repository, subject, 9), []);
    t.equal(await local.findContent(descriptor.digest), undefined);
    t.strictSame(await local.findRevokedKeys(repository, subject), [KEY]);
    t.strictSame(await local.findRevokedKeys(elsewhere, subject), []);
    const revoked = { at: 2000, reason: 'a hole' };
    t.match(await local.listApprovals(), [{ note: 'looked at', revoked }]);
    t.notOk((await local.listApprovals())[0]?.manifest);
    await local.approve(approval(descriptor.digest, { approvedAt: 3000 }), descriptor, []);
    t.strictSame(await local.findRevokedKeys(repository, subject), [], 'approved again');
  });

  t.test(`${name}: what a key never approved here can be revoked too`, async (t) => {
    const { local } = await open(t);
    await local.revoke({ repository, subject, keys: ['sha256:x'], at: 7, reason: '' });
    t.strictSame(await local.findRevokedKeys(repository, subject), ['sha256:x']);
    t.match(await local.listApprovals(), [{ key: 'sha256:x', revoked: { at: 7 } }]);
  });

  t.test(
    `${name}: what is imported is attached, the latest first and no more than asked`,
    async (t) => {
      const { local } = await open(t);
      await local.attach([attachment('a', { at: 1 }), attachment('b', { at: 2 })]);
      await local.attach([attachment('a', { at: 3 })]);
      const listed = await local.listAttachments(repository, subject, 9);
      t.strictSame(
        listed.map(({ at }) => at),
        [3, 2],
      );
      t.equal((await local.listAttachments(repository, subject, 1)).length, 1);
      const approved = descriptorOf(Buffer.from('approved'));
      await local.approve(approval(approved.digest, { approvedAt: 2 }), approved, []);
      t.match(
        await local.listAttachments(repository, subject, 1),
        [{ origin: 'approval' }],
        'nothing that somebody carried here takes the place of an approval',
      );
    },
  );

  t.test(`${name}: imported images wait until they are adopted`, async (t) => {
    const { local } = await open(t);
    const image = { repository, digest: subject, at: 5 };
    await local.addImported([{ ...image, tag: 'v1' }, image]);
    const open1 = await local.listUnadopted(9);
    t.strictSame(new Set(open1), new Set([{ ...image, tag: 'v1' }, image]));
    t.equal((await local.listUnadopted(1)).length, 1);
    await local.addImported([{ ...image, at: 6 }]);
    await local.adopted(open1);
    t.strictSame(await local.listUnadopted(9), [{ ...image, at: 6 }], 'imported again meanwhile');
  });

  t.test(
    `${name}: the operator's words are numbered, and what was noticed is never less`,
    async (t) => {
      const { local } = await open(t);
      t.equal(await local.announced(), 0);
      t.equal(await local.noticed(), 0);
      const descriptor = descriptorOf(Buffer.from('m'));
      await local.approve(approval(descriptor.digest), descriptor, []);
      await local.revoke({ repository, subject, keys: [KEY], at: 1, reason: '' });
      await local.attach([attachment('a')]);
      t.equal(await local.announced(), 2, 'more signatures take nothing back');
      await local.announce();
      t.equal(await local.announced(), 3);
      await local.notice(2);
      await local.notice(1);
      t.equal(await local.noticed(), 2);
    },
  );
}
