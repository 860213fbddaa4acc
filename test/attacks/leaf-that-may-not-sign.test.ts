/**
 * Authorities issue certificates for more than signing code: for servers, for timestamps, for other authorities. A
 * verifier that builds the chain and never asks what the leaf is for takes each of them as a signer; so does one that
 * skips what it does not know, though the certificate says that it must not be skipped.
 */
import t from 'tap';
import { EKU } from '../helpers/sigstore/certificate.ts';
import type { LeafOptions } from '../helpers/sigstore/leaf.ts';
import { about, bundle, openKeyless, sig } from './keyless.ts';

const ANY_USAGE = '2.5.29.37.0';
const SERVER = '1.3.6.1.5.5.7.3.1';

const unfit: Readonly<Record<string, readonly [leaf: LeafOptions, sentence: RegExp]>> = {
  'without a usage': [{ usages: [] }, /not for code signing/],
  'for servers': [{ usages: [SERVER] }, /not for code signing/],
  'for timestamps': [{ usages: [EKU.timeStamping] }, /not for code signing/],
  'for anything': [{ usages: [ANY_USAGE] }, /not for code signing/],
  'of an authority': [{ ca: true }, /is one of an authority/],
  'with an unknown critical extension': [{ unknownCritical: true }, /unknown critical extension/],
};

t.test('certificates that are not for code signing', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = (leaf: LeafOptions) => ({ by: sigstore.leaf(leaf) });
  const inBundle = (leaf: LeafOptions) =>
    bundle((image) => sigstore.signEnvelope(about(image), by(leaf)));
  const beside = (leaf: LeafOptions) => sig((payload) => sigstore.signMessage(payload, by(leaf)));
  const fit = { usages: [EKU.codeSigning, SERVER] };
  t.equal(await pull(put('good bundle', inBundle(fit))), '200');
  t.equal(await pull(put('good .sig', beside(fit))), '200');
  for (const [what, [leaf, sentence]] of Object.entries(unfit)) {
    for (const [form, signed] of [
      ['bundle', inBundle],
      ['.sig', beside],
    ] as const) {
      const answer = await pull(put(`${form} ${what}`, signed(leaf)));
      t.match(answer, /^403 DENIED .*signature invalid/, `${form} ${what}`);
      t.match(answer, sentence, `${form} ${what}`);
    }
  }
});

t.test("an authority's own certificate", async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const { intermediate } = sigstore;
  const leaf = sigstore.leaf();
  const by = { ...leaf, ...intermediate, intermediates: [], chainPem: '' };
  const signed = bundle((image) => sigstore.signEnvelope(about(image), { by }));
  t.match(await pull(put('evil', signed)), /^403 DENIED .*signature invalid/);
});

t.test('a leaf that certifies another leaf', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  for (const ca of [false, true]) {
    const issuer = sigstore.leaf({ ca, names: [{ email: 'anybody@acme.test' }] });
    const by = sigstore.leaf({ by: issuer });
    const signed = bundle((image) => sigstore.signEnvelope(about(image), { by }), {
      version: '0.1',
      certificate: 'chain with intermediates',
    });
    t.match(await pull(put(`by ${ca ? 'CA:TRUE' : 'a leaf'}`, signed)), /^403 DENIED/);
  }
});
