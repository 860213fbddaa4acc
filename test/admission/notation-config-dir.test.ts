/** Notation's own trust policy in the place of a rule's words: which statement judges a pull, and how strictly. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import type { RequirementSpec } from '../../src/policy/requirement.ts';
import { putImage, type PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import {
  DAY,
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  type Signer,
} from '../helpers/notation/certificate.ts';
import {
  readNotationPolicy,
  skipping,
  STATEMENT,
  writeNotationFolder,
} from '../helpers/notation/folder.ts';
import { putNotation } from '../helpers/notation/manifest.ts';
import { signJws, type SignOptions } from '../helpers/notation/signed.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startProxy } from '../helpers/proxy.ts';
import { cosign2, createSigner, rootOf } from '../helpers/signer.ts';
import { testdir } from '../helpers/testdir.ts';

const HOUR = DAY / 24;
const EXPIRED = { signingTime: NOTATION_TIME - 2 * HOUR, expiry: NOTATION_TIME - HOUR };
const IMAGE = `lab.local/${TEAM}`;
const POLICY: RequirementSpec = { notation: { trustRoot: 'corp' } };

const vendorCa = issueNotationAuthority('root');
const otherCa = issueNotationAuthority('other root');
const stamps = issueNotationAuthority('stamps');
const vendor = issueSigner({ issuer: vendorCa });
const other = issueSigner({ issuer: otherCa });
const STORES = {
  'ca/vendor/root.pem': vendorCa.pem,
  'ca/other/root.crt': otherCa.der,
  'tsa/stamps/root.cer': stamps.pem,
};
/** Keys of cosign, for rules that demand both. */
const [ours, theirs] = [createSigner(), createSigner()];

interface PolicyLab extends Lab {
  /** In {@link TEAM} unless told. */
  sign(image: PutImage, by?: Signer, options?: SignOptions, repository?: string): void;
  /** Pulls `v1`. */
  pull(repository?: string): Promise<string>;
  /** Writes another folder and takes it up, as a reload does. */
  change(...statements: readonly object[]): void;
}

async function open(
  t: Test,
  statements: readonly object[],
  require: RequirementSpec = POLICY,
): Promise<PolicyLab> {
  const folder = join(testdir(t, {}), 'notation');
  const policies = [{ name: 'corp', match: ['lab.local/**'], require }];
  const readRoots = () => [
    readNotationPolicy(folder),
    rootOf('ours', ours),
    rootOf('theirs', theirs),
  ];
  writeNotationFolder(folder, statements, STORES);
  const trustRoots = readRoots();
  const path = join(folder, '../cache');
  const lab = await openLab(t, { registry: { referrersApi: true }, policies, trustRoots, path });
  lab.proxy.now = NOTATION_TIME;
  return {
    ...lab,
    sign({ digest, size }, by = vendor, options = {}, repository = TEAM) {
      const target = { mediaType: OCI_MANIFEST, digest, size };
      putNotation(lab.registry, repository, signJws(by, target, options), target);
    },
    async pull(repository = TEAM) {
      const answer = await lab.proxy.get(`/v2/lab.local/${repository}/manifests/v1`);
      return `${told(answer)} ${answer.error?.message ?? ''}`;
    },
    change(...next) {
      writeNotationFolder(folder, next, STORES);
      lab.proxy.reload(policies, readRoots());
    },
  };
}

const strictly = (level: string, override?: object, verifyTimestamp?: string) => ({
  ...STATEMENT,
  signatureVerification: {
    level,
    ...(override !== undefined && { override }),
    ...(verifyTimestamp !== undefined && { verifyTimestamp }),
  },
});
const stamped = (level: string, override?: object, verifyTimestamp?: string) => ({
  ...strictly(level, override, verifyTimestamp),
  trustStores: ['ca:vendor', 'tsa:stamps'],
});

const GOOD = [vendor] as const;
const LATE = [vendor, EXPIRED] as const;
const STRANGER = [other] as const;
const TAMPERED = [vendor, { payload: Buffer.from('{}') }] as const;

type Signed = readonly [by: Signer, options?: SignOptions];

/** What each level makes of a signature (trust-store-trust-policy.md "Signature Verification details"). */
const levels: readonly (readonly [string, object, string, Signed | undefined, RegExp])[] = [
  ['strict', strictly('strict'), 'a good signature', GOOD, /^200/],
  ['strict', strictly('strict'), 'an expired one', LATE, /^403 DENIED .*expiry: it expired at/],
  ['strict', strictly('strict'), "a stranger's", STRANGER, /^403 DENIED .*\(authenticity\)/],
  [
    'strict',
    stamped('strict'),
    'one without a timestamp',
    GOOD,
    /^403 DENIED .*authenticTimestamp/,
  ],
  ['permissive', strictly('permissive'), 'an expired one', LATE, /^200/],
  ['permissive', stamped('permissive'), 'one without a timestamp', GOOD, /^200/],
  [
    'permissive',
    strictly('permissive'),
    "a stranger's",
    STRANGER,
    /^403 DENIED .*\(authenticity\)/,
  ],
  ['audit', strictly('audit'), "a stranger's", STRANGER, /^200/],
  ['audit', strictly('audit'), 'an expired one', LATE, /^200/],
  ['audit', strictly('audit'), 'one of other content', TAMPERED, /^403 DENIED .*signature invalid/],
  ['audit', strictly('audit'), 'no signature', undefined, /^403 DENIED .*unsigned/],
  ['strict, expiry: log', strictly('strict', { expiry: 'log' }), 'an expired one', LATE, /^200/],
  [
    'strict, authenticity: log',
    strictly('strict', { authenticity: 'log' }),
    "a stranger's",
    STRANGER,
    /^200/,
  ],
  [
    'strict, authenticTimestamp: log',
    stamped('strict', { authenticTimestamp: 'log' }),
    'one without a timestamp',
    GOOD,
    /^200/,
  ],
  [
    'permissive, expiry: enforce',
    strictly('permissive', { expiry: 'enforce' }),
    'an expired one',
    LATE,
    /^403 DENIED .*expiry: it expired at/,
  ],
  [
    'audit, authenticity: enforce',
    strictly('audit', { authenticity: 'enforce' }),
    "a stranger's",
    STRANGER,
    /^403 DENIED .*\(authenticity\)/,
  ],
  [
    'strict, a timestamp once the certificate has expired',
    stamped('strict', undefined, 'afterCertExpiry'),
    'one without a timestamp',
    GOOD,
    /^200/,
  ],
];
for (const [level, statement, what, signed, expected] of levels) {
  t.test(`under ${level}: ${what}`, async (t) => {
    const lab = await open(t, [statement]);
    const image = lab.image('app', { tag: 'v1' });
    if (signed !== undefined) lab.sign(image, ...signed);
    t.match(await lab.pull(), expected);
  });
}

t.test('only whom the statement names may sign', async (t) => {
  const trustedIdentities = ['x509.subject: C=DE, ST=BY, O=Vendor, CN=release'];
  const lab = await open(t, [{ ...STATEMENT, trustedIdentities }]);
  lab.sign(lab.image('app', { tag: 'v1' }));
  t.match(
    await lab.pull(),
    /^403 DENIED .*signed by someone else \(identity\): .*CN=signer.*requires notation under the trust policy of corp/,
  );
});

t.test('the statement that names the repository judges it, and its stores alone', async (t) => {
  const named = { ...STATEMENT, name: 'team', registryScopes: [IMAGE], trustStores: ['ca:other'] };
  const lab = await open(t, [STATEMENT, named]);
  const image = lab.image('app', { tag: 'v1' });
  lab.sign(image, vendor);
  t.match(await lab.pull(), /^403 DENIED .*\(authenticity\)/, 'not that of "*"');
  lab.sign(image, other);
  lab.proxy.now += 10_000;
  t.match(await lab.pull(), /^200/);
  t.match(lab.proxy.pulls.at(-1)?.reasons, [/of corp \(statement "team"\) is satisfied/]);

  const beside = putImage(lab.registry, 'team/app2', 'app2', { tag: 'v1' });
  lab.sign(beside, other, {}, 'team/app2');
  t.match(await lab.pull('team/app2'), /^403 DENIED .*\(authenticity\)/, 'a scope is no prefix');
  lab.sign(beside, vendor, {}, 'team/app2');
  lab.proxy.now += 10_000;
  t.match(await lab.pull('team/app2'), /^200/);
});

for (const scope of ['lab.local/team', 'lab.local/team/app/x', 'other.local/team/app']) {
  t.test(`where only ${scope} has a statement, nobody is trusted`, async (t) => {
    const lab = await open(t, [{ ...STATEMENT, registryScopes: [scope] }]);
    lab.sign(lab.image('app', { tag: 'v1' }));
    t.match(
      await lab.pull(),
      /^403 DENIED .*: no statement of the trust policy of corp applies to lab\.local\/team\/app: none of its registryScopes is this name or "\*"\. /,
    );
    t.strictSame(lab.registry.asked(/referrers|sha256-/), [], 'no signature could change that');
    lab.registry.fault(/referrers/, { kind: 'status', status: 503 });
    t.match(await lab.pull(), /^403 DENIED/, 'nor an outage');
  });
}

t.test('what the client calls the repository does not matter', async (t) => {
  const lab = await open(t, [{ ...STATEMENT, registryScopes: ['lab.local/team/app'] }]);
  lab.sign(lab.image('app', { tag: 'v1' }));
  const answer = await lab.proxy.get(`/v2/${TEAM}/manifests/v1?ns=lab.local`);
  t.equal(told(answer), '200');
});

t.test('skip lets through what is in the repositories that it names, and says so', async (t) => {
  const lab = await open(t, [STATEMENT, skipping(IMAGE)]);
  const image = lab.image('app', { tag: 'v1' });
  t.match(await lab.pull(), /^200/);
  t.equal(told(await lab.get(`blobs/${image.config}`)), '200');
  t.strictSame(lab.registry.asked(/referrers|sha256-/), [], 'no signature is looked for');
  const sentence = `accepted without verification: statement "unsigned" of the trust policy of corp skips verification for ${IMAGE}`;
  t.match(lab.proxy.pulls[0], { outcome: 'admitted', signers: [] });
  t.equal(lab.proxy.pulls[0]?.reasons[0], sentence);
  t.match(await lab.pull(), /^200/);
  t.equal(lab.proxy.pulls.at(-1)?.reasons[0], sentence, 'each time');

  const beside = putImage(lab.registry, 'team/app2', 'app2', { tag: 'v1' });
  t.match(await lab.pull('team/app2'), /^403 DENIED .*unsigned/);
  t.match((await lab.proxy.get(`/v2/lab.local/team/app2/blobs/${beside.config}`)).status, 403);
  // The very manifest that is let through elsewhere.
  putImage(lab.registry, 'team/app2', 'app', { tag: 'v1' });
  lab.proxy.now += 60_000;
  t.match(await lab.pull('team/app2'), /^403 DENIED .*unsigned/);
});

t.test('annotations cannot be demanded of what nobody signed', async (t) => {
  const require = { notation: { trustRoot: 'corp', annotations: { stage: 'production' } } };
  const lab = await open(t, [STATEMENT, skipping('lab.local/team/raw')], require);
  const image = lab.image('app', { tag: 'v1' });
  lab.sign(image, vendor, { annotations: { stage: 'test' } });
  t.match(await lab.pull(), /^403 DENIED .*expected the signed annotation "stage"/);
  lab.sign(image, vendor, { annotations: { stage: 'production' } });
  lab.proxy.now += 10_000;
  t.match(await lab.pull(), /^200/);
  putImage(lab.registry, 'team/raw', 'raw', { tag: 'v1' });
  t.match(
    await lab.pull('team/raw'),
    /^403 DENIED .*skips verification for lab\.local\/team\/raw, but the rule demands annotations/,
  );
});

const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });
const SKIPPED = [STATEMENT, skipping(IMAGE)];
const NONE = [{ ...STATEMENT, registryScopes: ['lab.local/team/other'] }];

/** The policy among other requirements, and what a signature by `ours` does for them. */
const combined: readonly (readonly [
  what: string,
  statements: readonly object[],
  require: RequirementSpec,
  unsigned: RegExp,
  signed: RegExp,
])[] = [
  ['any, skipped', SKIPPED, { anyOf: [POLICY, key('ours')] }, /^200/, /^200/],
  ['all, skipped', SKIPPED, { allOf: [POLICY, key('ours')] }, /^403 .*unsigned/, /^200/],
  [
    'two, skipped: nobody is no signer',
    SKIPPED,
    { atLeast: { count: 2, of: [POLICY, key('ours'), key('theirs')] } },
    /^403 DENIED/,
    /^403 DENIED/,
  ],
  [
    'two of two, skipped',
    SKIPPED,
    { atLeast: { count: 2, of: [POLICY, key('ours')] } },
    /^403 DENIED/,
    /^403 DENIED .*2 alternatives hold, but not 2 with a signer of its own/,
  ],
  [
    'any, without a statement',
    NONE,
    { anyOf: [POLICY, key('ours')] },
    /^403 DENIED .*no statement of the trust policy of corp applies.*; unsigned/,
    /^200/,
  ],
  [
    'all, without a statement',
    NONE,
    { allOf: [POLICY, key('ours')] },
    /^403 DENIED .*no statement of the trust policy/,
    /^403 DENIED .*no statement of the trust policy/,
  ],
];
for (const [what, statements, require, unsigned, signed] of combined) {
  t.test(`the policy beside others: ${what}`, async (t) => {
    const lab = await open(t, statements, require);
    const image = lab.image('app', { tag: 'v1' });
    t.match(await lab.pull(), unsigned);
    cosign2(lab.registry, TEAM, image.digest, ours);
    lab.proxy.now += 10_000;
    t.match(await lab.pull(), signed);
  });
}

t.test('another policy decides anew what was decided, both ways', async (t) => {
  const lab = await open(t, SKIPPED);
  const image = lab.image('app', { tag: 'v1' });
  t.match(await lab.pull(), /^200/);
  t.equal(told(await lab.get(`blobs/${image.config}`)), '200');
  lab.change(STATEMENT);
  t.match(await lab.pull(), /^403 DENIED .*unsigned/);
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`blobs/${image.config}`)), '403 DENIED');
  lab.sign(image);
  lab.proxy.now += 10_000;
  t.match(await lab.pull(), /^200/);
  lab.change({ ...STATEMENT, trustStores: ['ca:other'] });
  t.match(await lab.pull(), /^403 DENIED .*\(authenticity\)/);
  lab.change({ ...STATEMENT, trustStores: ['ca:other', 'ca:vendor'] });
  t.match(await lab.pull(), /^200/);
});

t.test('an image of Docker Hub has its whole name in a scope', async (t) => {
  const scoped = { ...STATEMENT, registryScopes: ['docker.io/library/alpine'] };
  const folder = join(testdir(t, {}), 'notation');
  writeNotationFolder(folder, [scoped], STORES);
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const proxy = await startProxy(t, {
    upstreams: { 'docker.io': registry },
    policies: [{ match: ['docker.io/**'], require: POLICY }],
    trustRoots: [readNotationPolicy(folder)],
    path: join(folder, '../cache'),
  });
  proxy.now = NOTATION_TIME;
  for (const repository of ['library/alpine', 'library/debian']) {
    const { digest, size } = putImage(registry, repository, repository, { tag: 'v1' });
    const target = { mediaType: OCI_MANIFEST, digest, size };
    putNotation(registry, repository, signJws(vendor, target), target);
  }
  t.equal(told(await proxy.get('/v2/docker.io/alpine/manifests/v1')), '200');
  t.equal(told(await proxy.get('/v2/index.docker.io/library/alpine/manifests/v1')), '200');
  const refused = await proxy.get('/v2/debian/manifests/v1');
  t.match(refused.error?.message, /no statement .* applies to docker\.io\/library\/debian/);
});
