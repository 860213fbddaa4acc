/**
 * A rule wants a scan that is at most a week old. Whoever keeps an old one has it logged and stamped anew, by honest
 * logs and authorities: that proves that it is no younger than the stamp, never that it is no older. What counts is
 * what the signer bound, the certificate's hour and the time in the predicate, whichever is older.
 */
import t from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import type { PutImage } from '../helpers/image.ts';
import type { LeafOptions } from '../helpers/sigstore/leaf.ts';
import { SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { att, bundle, openKeyless, requirement } from './keyless.ts';

const DAY = 86_400_000;
const predicateType = 'https://cosign.sigstore.dev/attestation/vuln/v1';

function scanOf({ digest }: PutImage, time: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: digestHex(digest) } }],
      predicateType,
      predicate: { metadata: { scanFinishedOn: new Date(time).toISOString() } },
    }),
  );
}

t.test('an old scan, logged and stamped today', async (t) => {
  const require = { attestation: { type: 'vuln', by: requirement(), maxAge: 7 * DAY } };
  const { sigstore, put, pull } = await openKeyless(t, { require });
  const { log, log2, timestampAuthority } = sigstore;
  const old = SIGSTORE_TIME - 30 * DAY;
  const options = (leaf: LeafOptions, logs = [log]) => ({
    by: sigstore.leaf({ notAfter: SIGSTORE_TIME + DAY, ...leaf }),
    logs,
    timestampAuthorities: [timestampAuthority],
  });
  const stamped = (time: number, leaf: LeafOptions = {}, logs = [log]) =>
    bundle((image) => sigstore.signEnvelope(scanOf(image, time), options(leaf, logs)));
  t.equal(await pull(put('good', stamped(SIGSTORE_TIME - DAY))), '200');
  const refused = /^403 DENIED .*is 30 days old, the limit is 7 days/;
  t.match(await pull(put('an old scan', stamped(old))), refused);
  t.match(await pull(put('an old scan in the other log', stamped(old, {}, [log2]))), refused);
  const aged = stamped(SIGSTORE_TIME - DAY, { notBefore: old });
  t.match(await pull(put('an old certificate', aged)), refused);
  const legacy = att((image) =>
    sigstore.signEnvelope(scanOf(image, old), { ...options({}), timestampOver: 'envelope' }),
  );
  t.match(await pull(put('an .att', legacy)), refused);
  const future = stamped(SIGSTORE_TIME + 300 * DAY);
  t.match(await pull(put('from the future', future)), /^403 DENIED .*come from the future/);
});

t.test('an admitted scan grows too old', async (t) => {
  const require = { attestation: { type: 'vuln', by: requirement(), maxAge: 7 * DAY } };
  const { proxy, sigstore, put, pull } = await openKeyless(t, { require });
  const scan = put(
    'scanned',
    bundle((image) => sigstore.signEnvelope(scanOf(image, SIGSTORE_TIME))),
  );
  t.equal(await pull(scan), '200');
  proxy.now = SIGSTORE_TIME + 8 * DAY;
  t.match(await pull(scan), /^403 DENIED .*is 8 days old, the limit is 7 days/);
});
