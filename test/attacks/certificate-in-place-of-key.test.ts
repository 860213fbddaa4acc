/**
 * A rule demands a configured key, and what comes along is a certificate of the trusted Sigstore, with log entries that
 * hold: everything is in order, only it is not the key. A verifier that lets the bundle choose how it is verified takes
 * it, and also the other way round: a bare key in the place of an identity. A legacy signature is by the key or not,
 * whatever stands beside it.
 */
import t from 'tap';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import { publicKeysRoot } from '../../src/trust/trust-root.ts';
import { createKey } from '../helpers/sigstore/key.ts';
import { createSigstore } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, requirement, sig } from './keyless.ts';

const release = createKey();
const sigstore = createSigstore();
const keys = publicKeysRoot('release', parsePublicKeys(release.pem, 'release.pub'));
const trustRoots = [keys, sigstore.root()];

/** With the trust root at hand it says whose the certificate is, without that it is none of the keys. */
const NO_KEY =
  /^403 DENIED .*(a certificate never satisfies a key|none of the trusted keys|signed by someone else.*expected key release)/;

t.test('an identity is no key, in bundles and in legacy forms', async (t) => {
  for (const key of [
    { trustRoot: 'release' },
    { trustRoot: 'release', transparencyLog: 1, logsFrom: 'sigstore' },
  ]) {
    const { put, pull } = await openKeyless(t, { sigstore, trustRoots, require: { key } });
    const inBundle = (options: object) =>
      bundle((image) => sigstore.signEnvelope(about(image), options));
    const beside = (options: object) => sig((payload) => sigstore.signMessage(payload, options));
    t.equal(await pull(put('good bundle', inBundle({ by: release }))), '200');
    t.equal(await pull(put('good .sig', beside({ by: release }))), '200');
    t.match(await pull(put('bundle', inBundle({}))), NO_KEY);
    t.match(await pull(put('.sig', beside({}))), NO_KEY);
    // The certificate is of the trusted key itself.
    const certified = { by: sigstore.leaf({ key: release }) };
    t.match(await pull(put('certified', inBundle(certified))), NO_KEY);
    const hinted = bundle((image) => {
      const { verifier } = sigstore.signEnvelope(about(image), { by: release });
      return { ...sigstore.signEnvelope(about(image)), verifier };
    });
    t.match(await pull(put('only hinted', hinted)), NO_KEY);
  }
});

t.test('a key is no identity, in bundles and in legacy forms', async (t) => {
  const require = requirement();
  const { put, pull } = await openKeyless(t, { sigstore, trustRoots, require });
  const keyed = bundle((image) => sigstore.signEnvelope(about(image), { by: release }));
  t.match(await pull(put('bundle', keyed)), /^403 DENIED .*signed by a key/);
  const legacy = sig((payload) => sigstore.signMessage(payload, { by: release }));
  t.match(await pull(put('.sig', legacy)), /^403 DENIED .*signed by a key/);
  // The key's signature, and the certificate of somebody who is trusted.
  const borrowed = sigstore.leaf();
  const lent = bundle((image) => ({
    ...sigstore.signEnvelope(about(image), { by: release }),
    verifier: borrowed,
  }));
  t.match(
    await pull(put('a borrowed certificate', lent)),
    /^403 DENIED .*signature invalid.*not by the key of its certificate/,
  );
});
