/** One image against one requirement: stops when it knows, admits nothing else, tells trouble from absence. */
import t from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { parseRequirement, type RequirementSpec } from '../../src/policy/requirement.ts';
import type { TrustRoot } from '../../src/trust/trust-root.ts';
import type { Subject } from '../../src/verify/candidate.ts';
import { verifyImage, type Verification } from '../../src/verify/verify-image.ts';
import {
  cosign2,
  cosign3,
  createSigner,
  dsseBundle,
  putBundle,
  putSigTag,
  rootOf,
  simplePayload,
  statement,
} from '../helpers/signer.ts';
import { createMemorySource, putSubject, REPOSITORY, type MemorySource } from './memory-source.ts';

const alice = createSigner();
const bob = createSigner('ed25519');
const mallory = createSigner();
const ROOTS = [rootOf('alice', alice), rootOf('bob', bob), rootOf('both', alice, bob)];
const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });

function verify(
  source: MemorySource,
  subject: Subject,
  spec: RequirementSpec,
  options: { readonly exhaustive?: boolean; readonly roots?: readonly TrustRoot[] } = {},
): Promise<Verification> {
  const { roots = ROOTS, exhaustive = false } = options;
  const trustRoots = new Map(roots.map((root) => [root.name, root]));
  return verifyImage(subject, {
    requirement: parseRequirement(spec),
    trustRoots,
    source,
    now: 0,
    exhaustive,
  });
}

async function outcome(...args: Parameters<typeof verify>): Promise<string> {
  return (await verify(...args)).evaluation.outcome;
}

t.test('an unsigned image fails', async (t) => {
  const source = createMemorySource();
  const result = await verify(source, putSubject(source), key('alice'));
  t.match(result, {
    evaluation: { outcome: 'failed' },
    evidence: [],
    findings: [],
    trouble: [],
    bounds: [],
  });
});

t.test('a signature in any place satisfies, and by another key none does', async (t) => {
  for (const options of [{ referrersApi: true }, { fallbackTags: true }]) {
    const source = createMemorySource(options);
    const old = putSubject(source, 'old');
    const now = putSubject(source, 'now');
    const foreign = putSubject(source, 'foreign');
    cosign2(source.content, REPOSITORY, old.digest, alice);
    cosign3(source.content, REPOSITORY, now, alice);
    cosign2(source.content, REPOSITORY, foreign.digest, mallory);
    cosign3(source.content, REPOSITORY, foreign, mallory);
    for (const [subject, scheme] of [
      [old, 'cosign-simple-signing'],
      [now, 'sigstore-bundle'],
    ] as const) {
      const result = await verify(source, subject, key('alice'));
      t.match(result, {
        evaluation: { outcome: 'satisfied' },
        evidence: [{ scheme, digest: subject.digest, signer: { trustRoot: 'alice' } }],
        findings: [{ scheme, outcome: 'verified', text: /^signed by key key1\.pub of alice/ }],
      });
      t.equal(await outcome(source, subject, key('bob')), 'failed');
      t.equal(await outcome(source, subject, key('both')), 'satisfied');
    }
    const result = await verify(source, foreign, { anyOf: [key('alice'), key('bob')] });
    t.match(result, { evaluation: { outcome: 'failed' }, evidence: [], findings: { length: 2 } });
  }
});

t.test(
  'evidence names the root that the requirement names, not every root that has the key',
  async (t) => {
    const source = createMemorySource();
    const subject = putSubject(source);
    cosign2(source.content, REPOSITORY, subject.digest, alice);
    const { evidence } = await verify(source, subject, key('both'), { exhaustive: true });
    t.same(
      evidence.map((item) => item.signer.trustRoot),
      ['both'],
    );
  },
);

t.test('one signature is one signer, however often it is attached', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice, alice, alice);
  cosign3(source.content, REPOSITORY, subject, alice);
  const two: RequirementSpec = { atLeast: { count: 2, of: [key('alice'), key('bob')] } };
  t.equal(await outcome(source, subject, two), 'failed');
  cosign3(source.content, REPOSITORY, subject, bob);
  t.equal(await outcome(source, subject, two), 'satisfied');
});

t.test('several requirements are satisfied by signatures in several places', async (t) => {
  const source = createMemorySource({ fallbackTags: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice);
  t.equal(await outcome(source, subject, { allOf: [key('alice'), key('bob')] }), 'failed');
  cosign3(source.content, REPOSITORY, subject, bob);
  t.equal(await outcome(source, subject, { allOf: [key('alice'), key('bob')] }), 'satisfied');
});

t.test('a bad signature hides no good one, in whichever place it is', async (t) => {
  for (const bad of ['tag', 'referrer']) {
    const source = createMemorySource({ referrersApi: true });
    const subject = putSubject(source);
    const about = statement([{ digest: { sha256: subject.digest.slice(7) } }]);
    cosign2(source.content, REPOSITORY, subject.digest, bad === 'tag' ? mallory : alice);
    const material = { verificationMaterial: { certificate: { rawBytes: 'AAAA' } } };
    putBundle(source.content, REPOSITORY, subject, dsseBundle(mallory, about));
    putBundle(source.content, REPOSITORY, subject, dsseBundle(alice, about, material));
    if (bad === 'tag') cosign3(source.content, REPOSITORY, subject, alice);
    const result = await verify(source, subject, key('alice'), { exhaustive: true });
    t.equal(result.evaluation.outcome, 'satisfied');
    t.equal(result.evidence.length, 1);
    t.equal(
      result.findings.filter((finding) => finding.outcome === 'rejected').length,
      bad === 'tag' ? 3 : 2,
    );
  }
});

t.test(
  'a signature about another image is no evidence, nor is one whose subject lies',
  async (t) => {
    const source = createMemorySource({ referrersApi: true });
    const good = putSubject(source, 'good');
    const evil = putSubject(source, 'evil');
    const payload = simplePayload(good.digest);
    putSigTag(source.content, REPOSITORY, evil.digest, [
      { payload, signature: alice.sign(payload) },
    ]);
    const about = statement([{ digest: { sha256: good.digest.slice(7) } }]);
    putBundle(source.content, REPOSITORY, evil, dsseBundle(alice, about));
    const result = await verify(source, evil, key('alice'), { exhaustive: true });
    t.match(result, { evaluation: { outcome: 'failed' }, evidence: [], findings: { length: 2 } });
  },
);

t.test('trouble in one place is undetermined, unless another place satisfies', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  source.fail(/^referrers /);
  const result = await verify(source, subject, key('alice'));
  t.match(result, {
    evaluation: { outcome: 'undetermined' },
    trouble: [{ place: 'referrers', error: { trouble: 'unreachable' } }],
  });
  cosign2(source.content, REPOSITORY, subject.digest, mallory);
  t.equal(await outcome(source, subject, key('alice')), 'undetermined');
  cosign2(source.content, REPOSITORY, subject.digest, alice);
  t.equal(await outcome(source, subject, key('alice')), 'satisfied');
  t.equal(await outcome(source, subject, key('alice'), { exhaustive: true }), 'satisfied');
  t.equal(await outcome(source, subject, { allOf: [key('alice'), key('bob')] }), 'undetermined');
});

t.test('more signatures than the bound is a refusal with the place, not trouble', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source);
  const payload = simplePayload(subject.digest);
  const junk = { payload, signature: mallory.sign(payload) };
  const good = { payload, signature: alice.sign(payload) };
  const many = Array.from({ length: 1000 }, () => junk);
  putSigTag(source.content, REPOSITORY, subject.digest, [...many, good]);
  const result = await verify(source, subject, key('alice'));
  t.match(result, { evaluation: { outcome: 'failed' }, trouble: [], bounds: [/^tag sha256-/] });
  putSigTag(source.content, REPOSITORY, subject.digest, [good, ...many]);
  t.equal(await outcome(source, subject, key('alice')), 'satisfied');
});

t.test('stops as soon as it is satisfied, though other places never answer', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice, bob, mallory);
  source.stall(/^referrers /);
  const result = await verify(source, subject, key('alice'));
  t.equal(result.evaluation.outcome, 'satisfied');
  t.equal(result.findings.length, 1);
});

t.test('looks at everything when it is told to', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice, bob, mallory);
  cosign3(source.content, REPOSITORY, subject, bob);
  source.content.putManifest(REPOSITORY, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    subject: { mediaType: OCI_MANIFEST, digest: subject.digest, size: 1 },
  });
  const result = await verify(
    source,
    subject,
    { anyOf: [key('alice'), key('bob')] },
    { exhaustive: true },
  );
  t.same(result.findings.map((finding) => finding.outcome).sort(), [
    'rejected',
    'rejected',
    'verified',
    'verified',
    'verified',
  ]);
  t.same(result.evidence.map((item) => item.signer.trustRoot).sort(), ['alice', 'bob', 'bob']);
});

t.test(
  'a trust root that is not there is an error, never a requirement without keys',
  async (t) => {
    const source = createMemorySource();
    await t.rejects(verify(source, putSubject(source), key('nobody')), {
      message: /unknown trust root nobody/,
    });
  },
);

t.test('a trust root without keys satisfies nothing', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  cosign2(source.content, REPOSITORY, subject.digest, alice);
  t.equal(await outcome(source, subject, key('empty'), { roots: [rootOf('empty')] }), 'failed');
});

t.test('what time left unchecked is trouble, never a denial', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source, 'late');
  cosign2(source.content, REPOSITORY, subject.digest, mallory);
  const verification = await verifyImage(subject, {
    requirement: parseRequirement(key('alice')),
    trustRoots: new Map(ROOTS.map((root) => [root.name, root])),
    source,
    now: 0,
    signal: AbortSignal.abort(),
  });
  t.equal(verification.evaluation.outcome, 'undetermined');
  t.equal(verification.trouble[0]?.error.trouble, 'timeout');
});
