/**
 * The right identity signs much about an image: that it was built, what is in it, what is wrong with it. Verifiers took
 * an attestation of any type where one of a certain type was demanded (CVE-2022-35929, CVE-2022-35930), and take any
 * attestation for a signature. Here the type is compared, an attestation is no signature, and a signature is no
 * attestation, not even one that a layer's annotation says it is.
 */
import t from 'tap';
import { TEAM } from '../helpers/lab.ts';
import { simplePayload } from '../helpers/signer.ts';
import { attestationLayer, putTagged, simpleLayer } from '../helpers/sigstore/layers.ts';
import { about, att, bundle, openKeyless, requirement, sig, type Beside } from './keyless.ts';

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const VULN = 'https://cosign.sigstore.dev/attestation/vuln/v1';
const REQUIRED = { attestation: { type: 'slsaprovenance1', by: requirement() } } as const;

t.test('an attestation of another type', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t, { require: REQUIRED });
  const forms: Readonly<Record<string, (type: string) => Beside>> = {
    bundle: (type) => bundle((image) => sigstore.signEnvelope(about(image, type))),
    att: (type) => att((image) => sigstore.signEnvelope(about(image, type))),
    'att that says otherwise': (type) => (lab, image) => {
      const signed = sigstore.signEnvelope(about(image, type));
      const layer = attestationLayer(signed, { predicateType: PROVENANCE });
      putTagged(lab.registry, TEAM, image.digest, 'att', layer);
    },
  };
  for (const [form, attested] of Object.entries(forms)) {
    t.equal(await pull(put(`good ${form}`, attested(PROVENANCE))), '200', form);
    for (const type of [VULN, `${PROVENANCE}.1`, PROVENANCE.toUpperCase(), `${PROVENANCE}/`]) {
      t.match(
        await pull(put(`${form} ${type}`, attested(type))),
        /^403 DENIED .*found an attestation of type/,
        `${form} ${type}`,
      );
    }
  }
});

t.test('a signature is no attestation', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t, { require: REQUIRED });
  const signed = put(
    'a .sig',
    sig((payload) => sigstore.signMessage(payload)),
  );
  t.match(await pull(signed), /^403 DENIED/);
  const signature = bundle((image) => sigstore.signEnvelope(about(image)));
  t.match(await pull(put('a bundle', signature)), /^403 DENIED/);
  const misplaced = put('a .sig under .att', ({ registry }, { digest }) => {
    const layer = simpleLayer(sigstore.signMessage(simplePayload(digest)), {
      predicateType: PROVENANCE,
    });
    putTagged(registry, TEAM, digest, 'att', layer);
  });
  t.match(await pull(misplaced), /^403 DENIED/);
});

t.test('an attestation is no signature', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  t.equal(
    await pull(
      put(
        'good',
        bundle((image) => sigstore.signEnvelope(about(image))),
      ),
    ),
    '200',
  );
  const attested = bundle((image) => sigstore.signEnvelope(about(image, PROVENANCE)));
  t.match(await pull(put('a bundle', attested)), /^403 DENIED .*found an attestation only/);
  const layer = att((image) => sigstore.signEnvelope(about(image, PROVENANCE)));
  t.match(await pull(put('an .att', layer)), /^403 DENIED/);
  const misplaced = put('an .att under .sig', ({ registry }, image) => {
    const signed = sigstore.signEnvelope(about(image, PROVENANCE));
    putTagged(registry, TEAM, image.digest, 'sig', attestationLayer(signed));
  });
  t.match(await pull(misplaced), /^403 DENIED/);
});
