/**
 * A rule that demands two transparency logs is not met by one log that was asked twice, nor by one entry that comes
 * twice (CVE-2026-49834), nor by one signature in the one log and another in the other: thresholds are met by one
 * signature or not at all. Times count by who tells them, likewise.
 */
import t from 'tap';
import { about, bundle, openKeyless } from './keyless.ts';

t.test('two logs are required', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t, { spec: { transparencyLog: 2 } });
  const { log, log2 } = sigstore;
  const logged = (...logs: readonly (typeof log)[]) =>
    bundle((image) => sigstore.signEnvelope(about(image), { logs }));
  t.equal(await pull(put('good', logged(log, log2))), '200');
  const refused = /^403 DENIED .*2 logs required, 1 found/;
  t.match(await pull(put('two entries', logged(log, log))), refused);
  const twice = put(
    'one entry twice',
    bundle((image) => {
      const signed = sigstore.signEnvelope(about(image));
      return { ...signed, entries: [...signed.entries, ...signed.entries] };
    }),
  );
  t.match(await pull(twice), /^403 DENIED/);
  t.match(await pull(put('two signatures', logged(log), logged(log2))), /^403 DENIED .*1 found/);
});

t.test('two sources of time are required', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t, { spec: { timestamps: 2 } });
  const { log, timestampAuthority } = sigstore;
  const stamped = (...timestampAuthorities: readonly (typeof timestampAuthority)[]) =>
    bundle((image) => sigstore.signEnvelope(about(image), { logs: [log], timestampAuthorities }));
  t.equal(await pull(put('good', stamped(timestampAuthority))), '200');
  const refused = /^403 DENIED .*2 proven times required, 1 found/;
  t.match(await pull(put('the log alone', stamped())), refused);
  const stamps = put(
    'two stamps',
    bundle((image) =>
      sigstore.signEnvelope(about(image), {
        logs: [log],
        add: { promise: false },
        timestampAuthorities: [timestampAuthority, timestampAuthority],
      }),
    ),
  );
  t.match(await pull(stamps), refused);
});
