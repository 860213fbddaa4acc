/** Images that the Notary Project and its released tool signed, through the whole proxy, with and without a referrers API. */
import t, { type Test } from 'tap';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import type { NotationSpec } from '../../src/policy/notation-requirement.ts';
import { notationRoot, type NotationRoot } from '../../src/trust/notation-root.ts';
import { parseStoreFile } from '../../src/trust/notation-store.ts';
import { parseJws } from '../../src/verify/notation/jws.ts';
import type { FakeRegistry, FakeRegistryOptions } from '../helpers/fake-registry.ts';
import { putLayout } from '../helpers/oci-layout.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startProxy } from '../helpers/proxy.ts';
import { told } from '../helpers/lab.ts';
import { needsVectors, readVector, vectorPath } from '../verify/vectors.ts';

const REPOSITORY = 'signed/app';
/** The certificates of the layouts are valid then, but for those that say when they are. */
const NOW = '2026-06-01T00:00:00Z';
const E2E = ['notation', 'localkeys', 'e2e.crt'] as const;
const EXPIRED_E2E = ['notation', 'localkeys', 'expired_e2e.crt'] as const;
const LAB = ['signed', 'notation-lab.crt'] as const;
const SIGNER = 'x509.subject: C=US, ST=WA, O=Notary';

interface Case {
  readonly layout: readonly string[];
  readonly root: () => NotationRoot;
  readonly now?: string;
  readonly spec?: Partial<NotationSpec>;
  readonly registry: FakeRegistryOptions;
}

type File = readonly string[];

function rootOf(ca: readonly File[], tsa: readonly File[] = []): NotationRoot {
  const store = (files: readonly File[]) =>
    files.map((file) => parseStoreFile(readVector(...file), file.join('/')));
  return notationRoot('vector', {
    ca: store(ca),
    ...(tsa.length === 0 ? {} : { tsa: store(tsa) }),
  });
}

async function open(t: Test, { layout, root, now = NOW, spec, registry: options }: Case) {
  const registry = await openFakeRegistry(t, options);
  putLayout(registry, REPOSITORY, vectorPath(...layout));
  const trusted = root();
  const notation = { trustRoot: trusted.name, identities: [SIGNER], ...spec };
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: [{ name: 'releases', match: ['lab.local/**'], require: { notation } }],
    trustRoots: [trusted],
  });
  proxy.now = Date.parse(now);
  const ask = (reference: string) =>
    proxy.get(`/v2/lab.local/${REPOSITORY}/manifests/${reference}`);
  return {
    registry,
    proxy,
    pull: async (reference = 'v1'): Promise<string> => {
      const answer = await ask(reference);
      return `${told(answer)} ${answer.error?.message ?? ''}`;
    },
  };
}

const e2e = (name: string): File => ['notation', 'oci_layout', name];
const SIGNED = ['signed', 'signed-notation'] as const;
const DURING = '2026-11-21T00:00:00Z';
const AFTER = '2026-11-22T00:00:00Z';
const served = /^200/;

const cases: Readonly<Record<string, Omit<Case, 'registry'> & { readonly answer: RegExp }>> = {
  'an image without a signature': {
    layout: e2e('e2e'),
    root: () => rootOf([E2E]),
    answer: /^403 DENIED .*unsigned: no signature was found/,
  },
  'an image without a signature, under audit': {
    layout: e2e('e2e'),
    root: () => rootOf([E2E]),
    spec: { level: 'audit' },
    answer: /^403 DENIED .*unsigned: no signature was found/,
  },
  'a valid signature': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E]),
    answer: served,
  },
  'a valid signature by anybody': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E, EXPIRED_E2E]),
    spec: { identities: ['*'] },
    answer: served,
  },
  'a valid signature under another root': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([EXPIRED_E2E]),
    answer: /^403 DENIED .*signed by someone else \(authenticity\): no certificate of its chain/,
  },
  'a valid signature by somebody else': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E]),
    spec: { identities: ['x509.subject: C=US, ST=WA, O=Notary, CN=release'] },
    answer: /^403 DENIED .*\(identity\): signed by C=US, ST=WA, L=Seattle, O=Notary, CN=e2e/,
  },
  'a valid signature without the metadata that is asked for': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E]),
    spec: { annotations: { purpose: 'e2e' } },
    answer: /^403 DENIED .*annotations: expected the signed annotation "purpose"/,
  },
  'a valid signature without a timestamp, where one is asked for': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E], [['notation', 'timestamp', 'globalsignTSARoot.cer']]),
    answer: /^403 DENIED .*authenticTimestamp: it carries no timestamp/,
  },
  'a valid signature without a timestamp, where one is asked for later': {
    layout: e2e('e2e-valid-signature'),
    root: () => rootOf([E2E], [['notation', 'timestamp', 'DigiCertTSARootSHA384.cer']]),
    spec: { timestamps: 'afterCertificateExpiry' },
    answer: served,
  },
  'an expired signature': {
    layout: e2e('e2e-expired-signature'),
    root: () => rootOf([E2E]),
    answer: /^403 DENIED .*expiry: it expired at 2023-06-27T05:21:21.000Z/,
  },
  'an expired signature, under permissive': {
    layout: e2e('e2e-expired-signature'),
    root: () => rootOf([E2E]),
    spec: { level: 'permissive' },
    answer: served,
  },
  'an expired signature, under permissive with expiry enforced': {
    layout: e2e('e2e-expired-signature'),
    root: () => rootOf([E2E]),
    spec: { level: 'permissive', override: { expiry: 'enforce' } },
    answer: /^403 DENIED .*expiry: it expired at/,
  },
  'an expired signature while it was none': {
    layout: e2e('e2e-expired-signature'),
    root: () => rootOf([E2E]),
    now: '2023-06-27T05:21:20Z',
    answer: served,
  },
  'two signatures of the released tool': {
    layout: SIGNED,
    root: () => rootOf([LAB]),
    now: DURING,
    answer: served,
  },
  'two signatures of the released tool under another root': {
    layout: SIGNED,
    root: () => rootOf([E2E]),
    now: DURING,
    answer: /^403 DENIED .*signed by someone else \(authenticity\)/,
  },
  'two signatures of the released tool by somebody else': {
    layout: SIGNED,
    root: () => rootOf([LAB]),
    now: DURING,
    spec: { identities: ['x509.subject: C=US, ST=WA, O=notary'] },
    answer: /^403 DENIED .*\(identity\): signed by .*CN=h5-lab/,
  },
  'two signatures of the released tool when its certificate has ended': {
    layout: SIGNED,
    root: () => rootOf([LAB]),
    now: AFTER,
    answer: /^403 DENIED .*authenticTimestamp: the certificate of .*and not now, and no timestamp/,
  },
  'two signatures of the released tool when its certificate has ended, under permissive': {
    layout: SIGNED,
    root: () => rootOf([LAB]),
    now: AFTER,
    spec: { level: 'permissive' },
    answer: served,
  },
};

for (const referrersApi of [true, false]) {
  const how = referrersApi ? 'with a referrers API' : 'without a referrers API';
  for (const [what, { answer, ...options }] of Object.entries(cases)) {
    t.test(`${what}, ${how}`, needsVectors, async (t) => {
      const { pull } = await open(t, { ...options, registry: { referrersApi } });
      t.match(await pull(), answer);
    });
  }

  t.test(`each of the two signatures alone, ${how}`, needsVectors, async (t) => {
    for (const kept of ['application/jose+json', 'application/cose']) {
      const options = { layout: SIGNED, root: () => rootOf([LAB]), now: DURING };
      const { registry, pull, proxy } = await open(t, { ...options, registry: { referrersApi } });
      const signatures = signaturesOf(registry);
      const [removed, rest] = [
        signatures.filter(({ layer }) => layer !== kept),
        signatures.filter(({ layer }) => layer === kept),
      ];
      t.strictSame([removed.length, rest.length], [1, 1]);
      for (const { digest } of removed) registry.deleteManifest(REPOSITORY, digest);
      t.match(await pull(), served, kept);
      t.match(proxy.pulls, [{ signers: [/^C=US, ST=WA, L=Seattle, O=Notary, CN=h5-lab/] }]);
      t.equal(registry.asked(new RegExp(`blobs/${rest[0]?.envelope}`)).length, 1);
    }
  });

  t.test(`platforms are served for their index's sake alone, ${how}`, needsVectors, async (t) => {
    const options = { layout: SIGNED, root: () => rootOf([LAB]), now: DURING };
    const { registry, pull, proxy } = await open(t, { ...options, registry: { referrersApi } });
    const index = parseManifest(
      registry.manifest(REPOSITORY, 'v1')?.bytes ?? Buffer.alloc(0),
      OCI_INDEX,
    );
    const platforms = index.kind === 'index' ? index.manifests : [];
    t.equal(platforms.length, 2);
    for (const { digest } of platforms) t.match(await pull(digest), /^403 DENIED .*unsigned/);
    t.match(await pull(), served);
    proxy.now += 60_000; // A refusal is remembered for a moment.
    for (const { digest } of platforms) t.match(await pull(digest), served);
  });
}

/** Signature manifests with the type of their envelope. */
function signaturesOf(registry: FakeRegistry) {
  const image = registry.manifest(REPOSITORY, 'v1');
  return registry.referrers(REPOSITORY, image?.digest ?? '').map(({ digest }) => {
    const stored = registry.manifest(REPOSITORY, String(digest));
    const manifest = parseManifest(stored?.bytes ?? Buffer.alloc(0), stored?.mediaType ?? '');
    const [layer] = manifest.kind === 'image' ? manifest.layers : [];
    if (stored === undefined || layer === undefined) throw new Error('expected a signature');
    return { digest: stored.digest, layer: layer.mediaType, envelope: layer.digest };
  });
}

const STAMPED = e2e('e2e-with-timestamped-signature');

/** The layout brings the root of its signer in the envelope alone. */
async function openStamped(t: Test, rest: Omit<Case, 'layout' | 'root'>, tsa: readonly File[]) {
  const scratch = await openFakeRegistry(t);
  putLayout(scratch, REPOSITORY, vectorPath(...STAMPED));
  const [found] = signaturesOf(scratch);
  const bytes = scratch.blob(REPOSITORY, found?.envelope ?? '') ?? Buffer.alloc(0);
  const { chain } = parseJws(bytes);
  const { tsa: stores } = rootOf([E2E], tsa);
  const root = () =>
    notationRoot('vector', {
      ca: [{ label: 'its own', certificates: chain.slice(-1) }],
      ...(stores.length === 0 ? {} : { tsa: [{ label: 'tsa', certificates: stores }] }),
    });
  return open(t, { layout: STAMPED, root, spec: { identities: ['*'] }, ...rest });
}

const THEN = '2025-01-21T12:00:00Z';
const TSA: readonly File[] = [
  ['notation', 'timestamp', 'DigiCertTSARootSHA384.cer'],
  ['notation', 'timestamp', 'globalsignTSARoot.cer'],
];

for (const referrersApi of [true, false]) {
  const how = referrersApi ? 'with a referrers API' : 'in a fallback index';
  const registry = { referrersApi, fallbackTags: !referrersApi };

  t.test(`a signature with a timestamp, ${how}`, needsVectors, async (t) => {
    const spec = { identities: ['*'], annotations: { purpose: 'e2e' } };
    const then = await openStamped(t, { registry, now: THEN, spec }, []);
    t.match(await then.pull(), served, 'where nobody asks for it');
    const unknown = await openStamped(t, { registry, now: THEN }, TSA);
    const words = /^403 DENIED .*authenticTimestamp: its timestamp does not hold: .*no trusted/;
    t.match(await unknown.pull(), words, 'where its authority is none of the store');
    const later = await openStamped(t, { registry }, []);
    t.match(await later.pull(), /^403 DENIED .*(?:expiry|authenticTimestamp): /, 'later');
  });
}

t.test('a registry that lists nothing has no signatures', needsVectors, async (t) => {
  // This layout has no fallback index of its own.
  const { pull } = await openStamped(t, { registry: {}, now: THEN }, []);
  t.match(await pull(), /^403 DENIED .*unsigned: no signature was found/);
});
