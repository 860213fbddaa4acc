/** What every implementation of Records promises. */
import t, { type Test } from 'tap';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type {
  DueVerdict,
  GrantKey,
  GrantKind,
  GrantRecord,
  Records,
  VerdictRecord,
} from '../../src/store/records.ts';
import type { PinRecord } from '../../src/store/tag-records.ts';

const repository = parseRepository('docker.io', 'library/alpine');
const digest = digestOf(Buffer.from('manifest'));
const other = digestOf(Buffer.from('other'));

function verdict(change: Partial<VerdictRecord> = {}): VerdictRecord {
  return {
    repository,
    digest,
    policyKey: 'rule-1',
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: 8,
    verdict: '{"outcome":"admitted"}',
    decidedAt: 1_700_000_000_000,
    ...change,
  };
}

function grant(kind: GrantKind, change: Partial<GrantRecord> = {}): GrantRecord {
  return {
    repository,
    digest: other,
    policyKey: 'rule-1',
    kind,
    mediaType: 'application/octet-stream',
    size: 5,
    because: digest,
    ...change,
  };
}

function pin(change: Partial<PinRecord> = {}): PinRecord {
  return { repository, tag: 'latest', digest, checkedAt: 2000, since: 1000, ...change };
}

/** The first of the grants. */
async function findGrant(
  records: Records,
  key: GrantKey,
  of: 'manifest' | 'blob',
): Promise<GrantRecord | undefined> {
  const found = await records.findGrants(key, of, 9);
  return found[0];
}

/** Runs the conformance tests; `open` gives fresh, empty records each time. */
export function recordsConformance(name: string, open: (test: Test) => Promise<Records>): void {
  async function opened(test: Test): Promise<Records> {
    const records = await open(test);
    test.teardown(() => records.close());
    return records;
  }

  t.test(`${name} finds nothing in the beginning`, async (t) => {
    const records = await opened(t);
    t.equal(await records.findVerdict(verdict()), undefined);
    t.equal(await findGrant(records, grant('blob'), 'blob'), undefined);
    t.equal(await records.findPin(repository, 'latest'), undefined);
  });

  t.test(`${name} finds a verdict under exactly its key`, async (t) => {
    const records = await opened(t);
    await records.record({ verdict: verdict() });
    t.match(await records.findVerdict(verdict()), verdict());
    const strangers: Partial<VerdictRecord>[] = [
      { repository: parseRepository('ghcr.io', 'library/alpine') },
      { repository: parseRepository('docker.io', 'library/alpine2') },
      { digest: other },
      { tag: 'latest' },
      { policyKey: 'rule-2' },
    ];
    for (const change of strangers) {
      t.equal(await records.findVerdict(verdict(change)), undefined, JSON.stringify(change));
    }
  });

  t.test(`${name} keeps verdicts for one tag, another tag and no tag apart`, async (t) => {
    const records = await opened(t);
    const tags = [undefined, 'one', 'two'];
    for (const tag of tags) {
      await records.record({ verdict: verdict({ tag, verdict: `for ${tag ?? 'none'}` }) });
    }
    for (const tag of tags) {
      const found = await records.findVerdict(verdict({ tag }));
      t.equal(found?.verdict, `for ${tag ?? 'none'}`);
      t.equal(found?.tag, tag);
    }
  });

  t.test(`${name} never confuses keys whose parts join to the same text`, async (t) => {
    const records = await opened(t);
    const repositories = [parseRepository('a.b', 'c/d'), parseRepository('a.b', 'c-d')];
    for (const [at, each] of repositories.entries()) {
      await records.record({ verdict: verdict({ repository: each, verdict: `v${at}` }) });
      await records.record({ pin: pin({ repository: each, tag: 'x', checkedAt: at }) });
    }
    await records.record({ verdict: verdict({ tag: 'a', policyKey: 'bc', verdict: 'a, bc' }) });
    await records.record({ verdict: verdict({ tag: 'ab', policyKey: 'c', verdict: 'ab, c' }) });
    for (const [at, each] of repositories.entries()) {
      t.equal((await records.findVerdict(verdict({ repository: each })))?.verdict, `v${at}`);
      t.equal((await records.findPin(each, 'x'))?.checkedAt, at);
    }
    const found = await records.findVerdict(verdict({ tag: 'a', policyKey: 'bc' }));
    t.equal(found?.verdict, 'a, bc');
  });

  t.test(`${name} replaces a verdict of the same key`, async (t) => {
    const records = await opened(t);
    await records.record({ verdict: verdict({ verdict: 'old', decidedAt: 1 }) });
    await records.record({ verdict: verdict({ verdict: 'new', decidedAt: 2 }) });
    t.match(await records.findVerdict(verdict()), { verdict: 'new', decidedAt: 2 });
  });

  t.test(`${name} finds a grant as a manifest or as a blob, as it was given`, async (t) => {
    const cases = [
      ['manifest', 'manifest', 'blob'],
      ['attachment', 'manifest', 'blob'],
      ['blob', 'blob', 'manifest'],
      ['attachment-blob', 'blob', 'manifest'],
    ] as const;
    for (const [kind, found, absent] of cases) {
      const records = await opened(t);
      await records.record({ grants: [grant(kind)] });
      t.strictSame(await findGrant(records, grant(kind), found), grant(kind));
      t.equal(await findGrant(records, grant(kind), absent), undefined);
      await records.close();
    }
  });

  t.test(`${name} finds a grant in no other repository and under no other policy`, async (t) => {
    const records = await opened(t);
    await records.record({ grants: [grant('blob')] });
    const strangers: Partial<GrantRecord>[] = [
      { repository: parseRepository('docker.io', 'library/busybox') },
      { repository: parseRepository('ghcr.io', 'library/alpine') },
      { digest },
      { policyKey: 'rule-2' },
    ];
    for (const change of strangers) {
      t.equal(await findGrant(records, grant('blob', change), 'blob'), undefined);
    }
  });

  t.test(`${name} keeps the stronger of two grants whatever came last`, async (t) => {
    const pairs = [
      ['blob', 'attachment-blob', 'blob'],
      ['manifest', 'attachment', 'manifest'],
    ] as const;
    for (const [strong, weak, of] of pairs) {
      for (const order of [
        [strong, weak],
        [weak, strong],
      ]) {
        const records = await opened(t);
        for (const kind of order) await records.record({ grants: [grant(kind)] });
        t.equal((await findGrant(records, grant(strong), of))?.kind, strong);
        await records.close();
      }
    }
  });

  t.test(`${name} finds children that have no verdict of their own`, async (t) => {
    const records = await opened(t);
    const decided = digestOf(Buffer.from('decided'));
    const elsewhere = parseRepository('docker.io', 'library/busybox');
    await records.record({
      grants: [
        grant('manifest'),
        grant('manifest', { digest: decided }),
        grant('attachment', { digest: digestOf(Buffer.from('attachment')) }),
        grant('blob', { digest: digestOf(Buffer.from('blob')) }),
        grant('manifest', { policyKey: 'rule-2', digest: digestOf(Buffer.from('2')) }),
        grant('manifest', { repository: elsewhere, digest: digestOf(Buffer.from('3')) }),
      ],
      verdict: verdict({ digest: decided }),
    });
    t.same(await records.findOpenChildren(repository, 'rule-1', 9), [other]);
    t.same(await records.findOpenChildren(repository, 'rule-1', 0), []);
    await records.record({ verdict: verdict({ digest: other, policyKey: 'rule-2' }) });
    t.same(await records.findOpenChildren(repository, 'rule-1', 9), [other]);
    await records.record({ verdict: verdict({ digest: other }) });
    t.same(await records.findOpenChildren(repository, 'rule-1', 9), []);
  });

  t.test(`${name} names a child of several indexes once`, async (t) => {
    const records = await opened(t);
    const third = digestOf(Buffer.from('third'));
    const grants = [digest, third].map((because) => grant('manifest', { because }));
    await records.record({ grants: [...grants, grant('manifest', { digest: third })] });
    const found = await records.findOpenChildren(repository, 'rule-1', 9);
    t.same(found.toSorted(), [other, third].toSorted());
  });

  t.test(`${name} lists what is due, page by page, the first due first`, async (t) => {
    const records = await opened(t);
    const digests = ['a', 'b', 'c', 'd', 'e'].map((text) => digestOf(Buffer.from(text)));
    for (const [at, each] of digests.entries()) {
      await records.record({ verdict: verdict({ digest: each, dueAt: 100 - (at % 3) }) });
    }
    await records.record({ verdict: verdict({ tag: 'latest', dueAt: 50 }) });
    await records.record({ verdict: verdict({ digest: other }) });
    await records.record({ verdict: verdict({ policyKey: 'rule-2', dueAt: 1 }) });
    const listed: DueVerdict[] = [];
    for (let after: DueVerdict | undefined; ;) {
      const page = await records.listDue('rule-1', 99, 2, after);
      listed.push(...page);
      after = page.at(-1);
      if (after === undefined) break;
    }
    t.strictSame(listed[0], { repository, digest, tag: 'latest', dueAt: 50 });
    t.strictSame(
      listed.map(({ dueAt }) => dueAt),
      [50, 98, 99, 99],
    );
    t.equal(new Set(listed.map((due) => due.digest)).size, 4);
    t.strictSame(await records.listDue('rule-1', 49, 9), []);
  });

  t.test(`${name} finds every giver of a grant, at most as many as are asked for`, async (t) => {
    const records = await opened(t);
    const givers = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text)));
    await records.record({ grants: givers.map((because) => grant('blob', { because })) });
    await records.record({ grants: [grant('attachment-blob')] });
    const found = await records.findGrants(grant('blob'), 'blob', 9);
    t.strictSame(
      found
        .slice(0, 3)
        .map(({ because }) => because)
        .toSorted(),
      givers.toSorted(),
    );
    t.equal(found.at(-1)?.kind, 'attachment-blob');
    t.equal((await records.findGrants(grant('blob'), 'blob', 2)).length, 2);
  });

  t.test(`${name} withdraws what was decided for one tag alone`, async (t) => {
    const records = await opened(t);
    for (const tag of [undefined, 'one', 'two'])
      await records.record({ verdict: verdict({ tag }) });
    await records.record({ grants: [grant('blob')] });
    await records.withdraw(verdict({ tag: 'one' }));
    t.equal(await records.findVerdict(verdict({ tag: 'one' })), undefined);
    for (const tag of [undefined, 'two']) t.ok(await records.findVerdict(verdict({ tag })));
    t.ok(await findGrant(records, grant('blob'), 'blob'));
    await records.withdraw(verdict({ tag: 'two' }));
    t.equal(await records.findVerdict(verdict()), undefined, 'no tag is left that it is for');
    t.equal(await findGrant(records, grant('blob'), 'blob'), undefined);
  });

  t.test(`${name} postpones what is due, and nothing else`, async (t) => {
    const records = await opened(t);
    for (const tag of [undefined, 'latest']) {
      await records.record({ verdict: verdict({ tag, dueAt: 50 }) });
    }
    await records.postpone(verdict({ tag: 'latest' }), 60);
    t.match(await records.listDue('rule-1', 50, 9), [{ digest, dueAt: 50 }]);
    t.match(await records.listDue('rule-1', 60, 9), [{ dueAt: 50 }, { tag: 'latest', dueAt: 60 }]);
    await records.postpone(verdict({ tag: 'latest' }), undefined);
    t.equal((await records.listDue('rule-1', 60, 9)).length, 1);
    t.ok(await records.findVerdict(verdict({ tag: 'latest' })), 'it stays decided');
  });

  t.test(`${name} withdraws a verdict with all that it let in`, async (t) => {
    const records = await opened(t);
    const [child, layer, shared, second] = ['child', 'layer', 'shared', 'second'].map((text) =>
      digestOf(Buffer.from(text)),
    ) as [Digest, Digest, Digest, Digest];
    const elsewhere = parseRepository('docker.io', 'library/busybox');
    const scopes = [{}, { repository: elsewhere }, { policyKey: 'rule-2' }];
    for (const scope of scopes) {
      for (const each of [digest, child, second]) {
        await records.record({ verdict: verdict({ ...scope, digest: each }) });
      }
      await records.record({ verdict: verdict({ ...scope, tag: 'latest' }) });
      await records.record({
        grants: [
          grant('manifest', { ...scope, digest: child }),
          grant('blob', { ...scope, digest: layer, because: child }),
          grant('blob', { ...scope, digest: shared, because: child }),
          grant('blob', { ...scope, digest: shared, because: second }),
          grant('attachment-blob', { ...scope, digest: other }),
        ],
      });
    }
    await records.withdraw(verdict());
    for (const gone of [verdict(), verdict({ tag: 'latest' }), verdict({ digest: child })]) {
      t.equal(await records.findVerdict(gone), undefined);
    }
    t.equal(await findGrant(records, grant('manifest', { digest: child }), 'manifest'), undefined);
    t.equal(await findGrant(records, grant('blob', { digest: layer }), 'blob'), undefined);
    t.equal(await findGrant(records, grant('attachment-blob'), 'blob'), undefined);
    t.ok(await records.findVerdict(verdict({ digest: second })));
    t.match(await findGrant(records, grant('blob', { digest: shared }), 'blob'), {
      because: second,
    });
    for (const scope of scopes.slice(1)) {
      t.ok(await records.findVerdict(verdict(scope)));
      t.ok(await findGrant(records, grant('blob', { ...scope, digest: layer }), 'blob'));
    }
  });

  t.test(`${name} keeps the since of a pin while its digest stays`, async (t) => {
    const records = await opened(t);
    await records.record({ pin: pin() });
    await records.record({ pin: pin({ checkedAt: 3000, since: 3000 }) });
    t.strictSame(await records.findPin(repository, 'latest'), pin({ checkedAt: 3000 }));
    await records.record({ pin: pin({ digest: other, checkedAt: 4000, since: 4000 }) });
    const moved = pin({ digest: other, checkedAt: 4000, since: 4000 });
    t.strictSame(await records.findPin(repository, 'latest'), moved);
  });

  t.test(`${name} writes a decision as a whole or not at all`, async (t) => {
    const records = await opened(t);
    const broken = grant('blob', { size: Number.NaN });
    await t.rejects(
      records.record({ verdict: verdict(), grants: [grant('manifest'), broken], pin: pin() }),
    );
    t.equal(await records.findVerdict(verdict()), undefined);
    t.equal(await findGrant(records, grant('manifest'), 'manifest'), undefined);
    t.equal(await records.findPin(repository, 'latest'), undefined);
    await records.record({ verdict: verdict(), grants: [grant('manifest')], pin: pin() });
    t.ok(await records.findVerdict(verdict()), 'and goes on working afterwards');
  });

  t.test(`${name} can be closed twice, and rejects what is asked afterwards`, async (t) => {
    const records = await opened(t);
    await records.close();
    await records.close();
    await t.rejects(records.findPin(repository, 'latest'));
  });
}
