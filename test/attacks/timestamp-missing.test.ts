/**
 * A log of version 2 tells no time. A keyless signature in it without a timestamp proves that it was made some day by
 * somebody who had a certificate of ten minutes some day: with an expired certificate there is nothing that says the key
 * was not found in the waste.
 */
import t from 'tap';
import { SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, sig } from './keyless.ts';

const HOUR = 3_600_000;

t.test('a log of version 2 without a timestamp', async (t) => {
  const { sigstore, proxy, put, pull } = await openKeyless(t);
  const { log2, withLog2 } = sigstore;
  const by = sigstore.leaf();
  const signed = (options: object) =>
    bundle((image) => sigstore.signEnvelope(about(image), { by, ...options }));
  t.equal(await pull(put('good', signed(withLog2))), '200');
  const bare = signed({ logs: [log2] });
  t.match(await pull(put('in time', bare)), /^403 DENIED .*no proven time: 1 required/);
  proxy.now = SIGSTORE_TIME + HOUR;
  t.equal(await pull(put('good an hour later', signed(withLog2))), '200');
  t.match(
    await pull(put('expired', bare)),
    /^403 DENIED .*no known log or authority proves when it was signed, and .*is valid from/,
  );
});

t.test('an expired certificate where no time is demanded', async (t) => {
  const spec = { timestamps: 0, transparencyLog: 0 };
  const { sigstore, proxy, put, pull } = await openKeyless(t, { spec });
  const by = sigstore.leaf();
  const none = { by, logs: [] };
  const inBundle = bundle((image) => sigstore.signEnvelope(about(image), none));
  const beside = sig((payload) => sigstore.signMessage(payload, none));
  const admitted = put('in time', inBundle);
  t.equal(await pull(admitted), '200');
  t.equal(await pull(put('a .sig in time', beside)), '200');
  proxy.now = SIGSTORE_TIME + HOUR;
  const expired = /^403 DENIED .*(no known log or authority proves|has expired)/;
  t.match(await pull(put('expired', inBundle)), expired);
  t.match(await pull(put('an expired .sig', beside)), expired);
  t.match(await pull(admitted), expired, 'nor what was admitted while it was valid');
});
