/**
 * Whoever stands between a proxy and its trust root's mirror can keep it from hearing that a key was revoked. A root
 * that was never fetched, or that is too old, decides nothing: neither that a signature is good, nor that it is not.
 * "Could not check" is an answer of its own, and it is not remembered when the root is there again.
 */
import t from 'tap';
import { sigstoreRoot } from '../../src/trust/trust-root.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, requirement } from './keyless.ts';

const HOUR = 3_600_000;
const UNKNOWN = /^503 .*cannot be decided now/;

const sigstore = createSigstore();
const roots = {
  'never fetched': sigstoreRoot('sigstore', sigstore.authorities(), {
    source: 'a mirror',
    unavailable: 'the trust root was never fetched from a mirror',
  }),
  'too old': sigstoreRoot('sigstore', sigstore.authorities(), {
    source: 'a mirror',
    staleAfter: SIGSTORE_TIME - 1,
  }),
};
for (const [what, root] of Object.entries(roots)) {
  t.test(`a trust root that is ${what}`, async (t) => {
    const { proxy, put, pull } = await openKeyless(t, { sigstore, trustRoots: [root] });
    const good = put(
      'good',
      bundle((image) => sigstore.signEnvelope(about(image))),
    );
    const unsigned = put('unsigned');
    for (const image of [good, unsigned]) {
      const answer = await pull(image);
      t.match(answer, UNKNOWN);
      t.match(answer, /never fetched|has been too old since/);
    }
    const rule = { name: 'releases', match: ['lab.local/**'], require: requirement() };
    proxy.reload([rule], [sigstore.root()]);
    t.equal(await pull(good), '200');
    t.match(await pull(unsigned), /^403 DENIED .*no signature/);
  });
}

t.test('a trust root grows too old', async (t) => {
  const of = { source: 'a mirror', staleAfter: SIGSTORE_TIME + HOUR };
  const root = sigstoreRoot('sigstore', sigstore.authorities(), of);
  const { proxy, put, pull } = await openKeyless(t, { sigstore, trustRoots: [root] });
  const signed = bundle((image) => sigstore.signEnvelope(about(image)));
  t.equal(await pull(put('in time', signed)), '200');
  proxy.now = SIGSTORE_TIME + HOUR + 1;
  t.match(await pull(put('too late', signed)), UNKNOWN);
});
