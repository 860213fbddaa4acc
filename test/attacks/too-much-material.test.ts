/**
 * What comes along with a signature is as much as its author likes: entries, timestamps, certificates, megabytes of
 * them. Verifiers read it all, hours of it or until their memory ended (CVE-2024-29902, CVE-2024-29903, CVE-2024-45395).
 * Too much is refused by its number before anything of it is verified, and hides no good signature.
 */
import t from 'tap';
import type { SignedEnvelope } from '../helpers/sigstore/signed.ts';
import type { BundleOptions } from '../helpers/sigstore/bundle.ts';
import { about, bundle, openKeyless } from './keyless.ts';

t.test('33 entries, 33 timestamps, 33 certificates, a huge bundle', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const { timestampAuthority } = sigstore;
  const much = <T>(items: readonly T[], count = 33): readonly T[] =>
    Array.from({ length: count }, () => items).flat();
  const certificates = (der: Buffer) => ({
    x509CertificateChain: { certificates: much([{ rawBytes: der.toString('base64') }]) },
  });
  const leaf = sigstore.leaf();
  const lies: Readonly<
    Record<string, readonly [(signed: SignedEnvelope) => SignedEnvelope, BundleOptions?]>
  > = {
    entries: [(signed) => ({ ...signed, entries: much(signed.entries) })],
    timestamps: [(signed) => ({ ...signed, timestamps: much(signed.timestamps) })],
    certificates: [(signed) => signed, { version: '0.1', material: certificates(leaf.der) }],
    'a timestamp of a megabyte': [
      (signed) => ({ ...signed, timestamps: [Buffer.alloc(1024 * 1024)] }),
    ],
    bytes: [(signed) => signed, { changes: { filler: 'a'.repeat(2 * 1024 * 1024) } }],
  };
  const good = bundle((image) => sigstore.signEnvelope(about(image)));
  const stamps = { by: leaf, timestampAuthorities: [timestampAuthority] };
  t.equal(
    await pull(
      put(
        'good',
        bundle((image) => sigstore.signEnvelope(about(image), stamps)),
      ),
    ),
    '200',
  );
  for (const [what, [change, options]] of Object.entries(lies)) {
    const evil = bundle((image) => change(sigstore.signEnvelope(about(image), stamps)), options);
    t.match(await pull(put(`too many ${what}`, evil)), /^403 DENIED/, what);
    t.equal(await pull(put(`too many ${what}, and a good one`, evil, good)), '200', what);
  }
});
