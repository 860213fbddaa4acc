/**
 * Anybody gets a certificate for a name of their own, and may choose one that looks like another's: `acme-evil` beside
 * `acme`, the trusted name with something before or after it, in other letters, or as one of several. Verifiers that
 * searched patterns anywhere in a name, took an empty one for no demand, looked at one of a certificate's names only,
 * matched issuer and subject apart from each other, or dropped patterns altogether (CVE-2025-29778) let them in.
 */
import t from 'tap';
import type { IdentitySpec } from '../../src/policy/identity.ts';
import { parsePolicy } from '../../src/policy/rule.ts';
import { GITHUB_ISSUER, WORKFLOW, type LeafOptions } from '../helpers/sigstore/leaf.ts';
import { createSigstore } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, IDENTITY, openKeyless, requirement } from './keyless.ts';
import { REVERIFY, TAG_RULE } from '../helpers/tag-rule.ts';

const SOMEONE_ELSE = /^403 DENIED .*signed by someone else/;

const lookalikes: Readonly<Record<string, LeafOptions>> = {
  'acme-evil': { names: [{ uri: WORKFLOW.replace('acme', 'acme-evil') }] },
  'a host that ends otherwise': { names: [{ uri: WORKFLOW.replace('.com', '.com.evil.test') }] },
  'a prefix': { names: [{ uri: `https://evil.test/?${WORKFLOW}` }] },
  'a suffix': { names: [{ uri: `${WORKFLOW}-evil` }] },
  'a line more': { names: [{ uri: `${WORKFLOW}\nevil` }] },
  'the start of it': { names: [{ uri: WORKFLOW.slice(0, -1) }] },
  'other letters': { names: [{ uri: WORKFLOW.replace('acme', 'ACME') }] },
  'another host as issuer': { issuer: `${GITHUB_ISSUER}.evil.test` },
  'an issuer with a slash': { issuer: `${GITHUB_ISSUER}/` },
  'an issuer in other letters': { issuer: GITHUB_ISSUER.toUpperCase() },
  'no issuer': { issuer: null },
};

const patterns: Readonly<Record<string, IdentitySpec>> = {
  'exact words': IDENTITY,
  patterns: {
    issuerPattern: 'https://token\\.actions\\.githubusercontent\\.com',
    subjectPattern: 'https://github\\.com/acme/[^/]+/\\.github/workflows/.+\\.yml@refs/heads/main',
  },
};
for (const [how, identity] of Object.entries(patterns)) {
  t.test(`names that look like the one demanded by ${how}`, async (t) => {
    const { sigstore, put, pull } = await openKeyless(t, { spec: { identities: [identity] } });
    const by = (leaf: LeafOptions) =>
      bundle((image) => sigstore.signEnvelope(about(image), { by: sigstore.leaf(leaf) }));
    t.equal(await pull(put('good', by({}))), '200');
    for (const [what, leaf] of Object.entries(lookalikes)) {
      const refusal = what === 'a line more' ? /^403 DENIED/ : SOMEONE_ELSE;
      t.match(await pull(put(what, by(leaf))), refusal, what);
    }
  });
}

t.test('a pattern that is found within a name', async (t) => {
  const spec = { identities: [{ issuer: GITHUB_ISSUER, subjectPattern: 'github\\.com/acme' }] };
  const { sigstore, put, pull } = await openKeyless(t, { spec });
  const by = (uri: string) =>
    bundle((image) =>
      sigstore.signEnvelope(about(image), { by: sigstore.leaf({ names: [{ uri }] }) }),
    );
  t.equal(await pull(put('the whole name', by('github.com/acme'))), '200');
  t.match(await pull(put('within', by(WORKFLOW))), SOMEONE_ELSE);
});

t.test('an empty word is no identity', async (t) => {
  const roots = new Map([['sigstore', createSigstore().root()]]);
  const rule = (identity: IdentitySpec) => [
    {
      name: 'rule',
      match: ['**'],
      tags: TAG_RULE,
      reverify: REVERIFY,
      mode: 'enforce' as const,
      require: requirement({ identities: [identity] }),
    },
  ];
  const { issuer, subject } = IDENTITY;
  t.ok(parsePolicy(rule(IDENTITY), roots));
  for (const identity of [
    { issuer, subject: '' },
    { issuer: '', subject },
    { issuer },
    { subject },
    {},
    { issuerPattern: '.*', subjectPattern: '' },
    { issuerPattern: '.*', subjectPattern: '.*' },
    { issuerPattern: '', subjectPattern: '.*' },
  ]) {
    t.throws(() => parsePolicy(rule(identity), roots), JSON.stringify(identity));
  }
});

t.test('an issuer of one identity with a subject of another', async (t) => {
  const other = { issuer: 'https://accounts.test', subject: 'release@acme.test' };
  const { sigstore, put, pull } = await openKeyless(t, { spec: { identities: [IDENTITY, other] } });
  const by = (leaf: LeafOptions) =>
    bundle((image) => sigstore.signEnvelope(about(image), { by: sigstore.leaf(leaf) }));
  const email = [{ email: other.subject }];
  t.equal(await pull(put('the one', by({}))), '200');
  t.equal(await pull(put('the other', by({ issuer: other.issuer, names: email }))), '200');
  t.match(await pull(put('crossed', by({ names: email }))), SOMEONE_ELSE);
  t.match(await pull(put('crossed too', by({ issuer: other.issuer }))), SOMEONE_ELSE);
});

t.test('several names are all read', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = (leaf: LeafOptions) =>
    bundle((image) => sigstore.signEnvelope(about(image), { by: sigstore.leaf(leaf) }));
  const names = [{ email: 'me@acme.test' }, { dns: 'acme.test' }, { uri: WORKFLOW }];
  t.equal(await pull(put('the last of three', by({ names }))), '200');
  const crossed = by({ names, issuer: 'https://evil.test' });
  t.match(await pull(put('another issuer', crossed)), SOMEONE_ELSE);
  const without = by({ names: names.slice(0, 2) });
  t.match(await pull(put('not among them', without)), SOMEONE_ELSE);
  const two = by({ legacyIssuer: GITHUB_ISSUER, issuer: 'https://evil.test' });
  t.match(await pull(put('two issuers', two)), /^403 DENIED .*names two issuers/);
});
