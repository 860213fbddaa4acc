/**
 * An authority's intermediate has expired, the certificate that it issued has not. Verifiers that compared the time of
 * signing with the leaf alone went on believing whoever holds the intermediate's old key (CVE-2026-24122). The time has
 * to lie within every certificate of the way, and within what the trust root says of the authority.
 */
import t from 'tap';
import { createSigstore, SIGSTORE_TIME, trustedAuthority } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, sig } from './keyless.ts';

const HOUR = 3_600_000;
const EXPIRED = /^403 DENIED .*signature invalid.*is valid from .*, and not at/s;

const expired = {
  intermediate: createSigstore({ intermediate: { notAfter: SIGSTORE_TIME + HOUR } }),
  root: createSigstore({ root: { notAfter: SIGSTORE_TIME + HOUR } }),
};
for (const [which, sigstore] of Object.entries(expired)) {
  t.test(`the ${which} has expired, the leaf has not`, async (t) => {
    const { proxy, put, pull } = await openKeyless(t, { sigstore });
    const by = sigstore.leaf({ notAfter: SIGSTORE_TIME + 10 * HOUR });
    const later = SIGSTORE_TIME + 2 * HOUR;
    proxy.now = later;
    const signed = (time: number, more = {}) =>
      bundle((image) => sigstore.signEnvelope(about(image), { by, time, ...more }));
    t.equal(await pull(put('in time', signed(SIGSTORE_TIME + 60_000))), '200');
    t.match(await pull(put('later', signed(later))), EXPIRED);
    t.match(await pull(put('later by stamp', signed(later, sigstore.withLog2))), EXPIRED);
    // Two times, of which one is good.
    const both = bundle((image) =>
      sigstore.signEnvelope(about(image), {
        by,
        time: SIGSTORE_TIME + 60_000,
        timestampAuthorities: [sigstore.timestampAuthority],
        stamp: { time: later },
      }),
    );
    t.match(await pull(put('both', both)), EXPIRED);
    const legacy = sig((payload) => sigstore.signMessage(payload, { by, time: later }));
    t.match(await pull(put('a .sig', legacy)), EXPIRED);
  });
}

t.test('the trust root believed the authority until then', async (t) => {
  const sigstore = createSigstore();
  const chain = [sigstore.intermediate, sigstore.certificateRoot];
  const validity = { start: 0, end: SIGSTORE_TIME + HOUR };
  const certificateAuthorities = [trustedAuthority({ name: 'old', chain, validity })];
  const trustRoots = [sigstore.root('sigstore', { certificateAuthorities })];
  const { proxy, put, pull } = await openKeyless(t, { sigstore, trustRoots });
  proxy.now = SIGSTORE_TIME + 2 * HOUR;
  const by = sigstore.leaf({ notAfter: SIGSTORE_TIME + 10 * HOUR });
  const signed = (time: number) =>
    bundle((image) => sigstore.signEnvelope(about(image), { by, time }));
  t.equal(await pull(put('in time', signed(SIGSTORE_TIME + 60_000))), '200');
  t.match(
    await pull(put('later', signed(proxy.now))),
    /^403 DENIED .*authority old is trusted from .*, and not at/,
  );
});
