/** Instances known by name: they are there without a network, and are what they say. */
import t from 'tap';
import { verify } from 'node:crypto';
import { json } from '@sigstore/core';
import { createTufSource, requireTufRoot } from '../../src/trust/tuf.ts';
import { githubTuf, publicGoodAuthorities, publicGoodTuf } from '../../src/trust/well-known.ts';
import { testdir } from '../helpers/testdir.ts';

interface TufRoot {
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
  readonly signed: {
    readonly keys: Readonly<Record<string, { readonly keyval: { readonly public: string } }>>;
    readonly roles: { readonly root: { readonly keyids: readonly string[] } };
  };
}

t.test('the public-good instance comes along', async (t) => {
  const { transparencyLogs, ...rest } = publicGoodAuthorities();
  const origins = transparencyLogs.map(({ origin }) => origin);
  t.ok(origins.includes('rekor.sigstore.dev'));
  t.ok(origins.includes('log2025-1.rekor.sigstore.dev'));
  t.ok(rest.certificateAuthorities.length >= 2);
  t.ok(rest.certificateLogs.length >= 2);
  t.ok(rest.timestampAuthorities.length >= 1);
  t.equal(publicGoodTuf().mirror, 'https://tuf-repo-cdn.sigstore.dev');
  t.doesNotThrow(() => {
    requireTufRoot(publicGoodTuf().initialRoot);
  });
});

t.test('the keys of GitHub vouch for the root that comes along', async (t) => {
  const { mirror, initialRoot } = githubTuf();
  t.equal(mirror, 'https://tuf-repo.github.com');
  const { signed, signatures } = JSON.parse(Buffer.from(initialRoot).toString()) as TufRoot;
  // TUF's canonical JSON escapes nothing but quotes and backslashes, so lines of PEM stand as they are.
  const data = Buffer.from(json.canonicalize(signed).replaceAll('\\n', '\n'));
  t.equal(signatures.length, 8);
  for (const { keyid, sig } of signatures) {
    t.ok(signed.roles.root.keyids.includes(keyid));
    const key = signed.keys[keyid]?.keyval.public ?? '';
    t.ok(verify('sha256', data, key, Buffer.from(sig, 'hex')), keyid);
  }
});

t.test('both can be where a source begins', async (t) => {
  const folder = testdir(t, {});
  for (const repository of [publicGoodTuf(), githubTuf()]) {
    t.equal(createTufSource(repository, { folder }).name, repository.mirror);
  }
});
