/** One image against requirements for identities and attestations: where is looked, and what may not be used. */
import t from 'tap';
import { parseRequirement, type RequirementSpec } from '../../src/policy/requirement.ts';
import type { SigstoreRoot, TrustRoot } from '../../src/trust/trust-root.ts';
import { MAX_CONTENT_PER_PLACE } from '../../src/verify/bounds.ts';
import {
  verifyImage,
  type Verification,
  type VerifyOptions,
} from '../../src/verify/verify-image.ts';
import {
  attestationLayer,
  putBundleOf,
  putExperimental,
  putTagged,
  simpleLayer,
} from '../helpers/sigstore/layers.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../helpers/sigstore/leaf.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { cosign2, createSigner, rootOf, simplePayload, statement } from '../helpers/signer.ts';
import { createMemorySource, putSubject, REPOSITORY, type MemorySource } from './memory-source.ts';

const TYPE = 'https://slsa.dev/provenance/v1';
const sigstore = createSigstore();
const alice = createSigner();
const ROOTS: readonly TrustRoot[] = [sigstore.root('ours'), rootOf('alice', alice)];
const identities = [{ issuer: GITHUB_ISSUER, subject: WORKFLOW }];
const KEYLESS: RequirementSpec = { sigstore: { trustRoot: 'ours', identities } };
const ATTESTED: RequirementSpec = {
  attestation: { type: TYPE, by: { sigstore: { trustRoot: 'ours', identities } } },
};
const BY_KEY: RequirementSpec = { key: { trustRoot: 'alice' } };

type Put = ReturnType<typeof putSubject>;

function verify(
  source: MemorySource,
  subject: Put,
  spec: RequirementSpec,
  options: Partial<VerifyOptions> & { readonly roots?: readonly TrustRoot[] } = {},
): Promise<Verification> {
  const { roots = ROOTS, ...rest } = options;
  return verifyImage(subject, {
    requirement: parseRequirement(spec),
    trustRoots: new Map(roots.map((root) => [root.name, root])),
    source,
    now: SIGSTORE_TIME,
    exhaustive: true,
    ...rest,
  });
}

const provenanceOf = ({ digest }: Put) =>
  sigstore.signEnvelope(statement([{ name: 'app', digest: { sha256: digest.slice(7) } }], TYPE));

const satisfied = { evaluation: { outcome: 'satisfied' } };
const failed = { evaluation: { outcome: 'failed' } };

t.test('signatures and attestations are found in every place that holds them', async (t) => {
  const places: readonly [
    string,
    RequirementSpec,
    (source: MemorySource, subject: Put) => unknown,
  ][] = [
    [
      '.sig',
      KEYLESS,
      ({ content }, subject) =>
        putTagged(
          content,
          REPOSITORY,
          subject.digest,
          'sig',
          simpleLayer(sigstore.signMessage(simplePayload(subject.digest))),
        ),
    ],
    [
      'experimental referrer',
      KEYLESS,
      ({ content }, subject) =>
        putExperimental(
          content,
          REPOSITORY,
          subject,
          simpleLayer(sigstore.signMessage(simplePayload(subject.digest))),
        ),
    ],
    [
      'old bundle',
      KEYLESS,
      ({ content }, subject) =>
        putBundleOf(content, REPOSITORY, subject, sigstore.signMessage(subject.bytes), {
          version: '0.1',
        }),
    ],
    [
      '.att',
      ATTESTED,
      ({ content }, subject) =>
        putTagged(
          content,
          REPOSITORY,
          subject.digest,
          'att',
          attestationLayer(provenanceOf(subject)),
        ),
    ],
    [
      'referrer with an envelope',
      ATTESTED,
      ({ content }, subject) =>
        putExperimental(content, REPOSITORY, subject, attestationLayer(provenanceOf(subject))),
    ],
    [
      'bundle with a statement',
      ATTESTED,
      ({ content }, subject) => putBundleOf(content, REPOSITORY, subject, provenanceOf(subject)),
    ],
  ];
  for (const [place, spec, put] of places) {
    const source = createMemorySource({ referrersApi: true });
    const subject = putSubject(source);
    put(source, subject);
    t.match(await verify(source, subject, spec), satisfied, place);
    t.match(await verify(source, subject, spec === KEYLESS ? ATTESTED : KEYLESS), failed, place);
  }
});

t.test('all experimental referrers count, not the last one alone', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const payload = simplePayload(subject.digest);
  const foreign = createSigstore();
  putExperimental(source.content, REPOSITORY, subject, simpleLayer(sigstore.signMessage(payload)));
  putExperimental(source.content, REPOSITORY, subject, simpleLayer(foreign.signMessage(payload)));
  const result = await verify(source, subject, KEYLESS);
  t.match(result, satisfied);
  t.same(result.findings.map(({ outcome, fault }) => fault ?? outcome).sort(), [
    'untrusted',
    'verified',
  ]);
});

t.test('asks for no tag that can hold nothing of use', async (t) => {
  for (const [spec, tags] of [
    [KEYLESS, ['.sig']],
    [BY_KEY, ['.sig']],
    [ATTESTED, ['.att']],
    [{ allOf: [BY_KEY, ATTESTED] }, ['.att', '.sig']],
  ] as const) {
    const source = createMemorySource({ referrersApi: true });
    const subject = putSubject(source);
    await verify(source, subject, spec);
    const asked = source.asked
      .filter((what) => what.startsWith('tag '))
      .map((what) => what.slice(75));
    t.same(asked.sort(), ['', ...tags]);
  }
});

t.test('a trust root that is stale or was never fetched is trouble, not a denial', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  putBundleOf(source.content, REPOSITORY, subject, sigstore.signMessage(subject.bytes));
  const ours = sigstore.root('ours');
  const wrong: readonly (readonly [SigstoreRoot, RegExp])[] = [
    [{ ...ours, unavailable: 'its mirror never answered' }, /its mirror never answered/],
    [{ ...ours, staleAfter: SIGSTORE_TIME - 1 }, /too old since 2026-03-01T11:59:59.999Z/],
  ];
  for (const [root, message] of wrong) {
    const roots = [root, rootOf('alice', alice)];
    const result = await verify(source, subject, KEYLESS, { roots });
    t.match(result, {
      evaluation: { outcome: 'undetermined' },
      evidence: { length: 0 },
      trouble: [{ place: 'trust root ours', error: { trouble: 'unreachable', message } }],
    });
    cosign2(source.content, REPOSITORY, subject.digest, alice);
    t.match(await verify(source, subject, { anyOf: [KEYLESS, BY_KEY] }, { roots }), satisfied);
  }
  const fresh = [{ ...ours, staleAfter: SIGSTORE_TIME }, rootOf('alice', alice)];
  t.match(await verify(source, subject, KEYLESS, { roots: fresh }), satisfied);
});

t.test('a signature for another repository is refused by the name it signed', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice);
  const seen: (readonly string[])[] = [];
  const refuseReference = (names: readonly string[]) => {
    seen.push(names);
    return 'it is signed as another image';
  };
  const result = await verify(source, subject, BY_KEY, { refuseReference });
  t.same(seen, [['registry.test/team/app']]);
  t.match(result, {
    ...failed,
    evidence: { length: 0 },
    findings: [{ outcome: 'rejected', fault: 'invalid', text: 'it is signed as another image' }],
  });
  t.match(await verify(source, subject, BY_KEY, { refuseReference: () => undefined }), satisfied);
});

t.test('a place full of huge attestations is left when its share of bytes is spent', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source);
  // No UTF-8, so that reading it costs nothing.
  const content = Buffer.alloc(7 * 1024 * 1024, 0xff);
  const huge = { ...attestationLayer(provenanceOf(subject)), content };
  const count = Math.floor(MAX_CONTENT_PER_PLACE / content.length);
  const layers = Array.from({ length: count + 3 }, () => huge);
  putTagged(source.content, REPOSITORY, subject.digest, 'att', ...layers);
  const result = await verify(source, subject, ATTESTED);
  t.equal(result.findings.length, count);
  t.match(result.bounds, [/\.att$/]);
});
