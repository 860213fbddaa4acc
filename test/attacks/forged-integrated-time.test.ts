/**
 * Fulcio's certificates live for ten minutes; whoever finds the key of one later needs a time at which it was valid.
 * An entry of a transparency log names one, and only the log's promise (SET) signs it: an inclusion proof covers the
 * entry's body, not its time. Verifiers took the time of an entry that had a proof and no promise (CVE-2026-48816).
 */
import t from 'tap';
import { SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, type KeylessOptions } from './keyless.ts';

const DAY = 86_400_000;
const seconds = (time: number): string => String(Math.floor(time / 1000));

t.test('a certificate of yesterday with a time that nobody signed', async (t) => {
  for (const timestamps of [0, 1]) {
    const options: KeylessOptions = { spec: { timestamps } };
    const { sigstore, put, pull } = await openKeyless(t, options);
    const old = SIGSTORE_TIME - DAY;
    const by = sigstore.leaf({ notBefore: old });
    const inTime = put(
      'signed in time',
      bundle((image) => sigstore.signEnvelope(about(image), { by, time: old + 60_000 })),
    );
    t.equal(await pull(inTime), '200');
    const forged = put(
      'signed today',
      bundle((image) => {
        const signed = sigstore.signEnvelope(about(image), { by, add: { promise: false } });
        const integratedTime = seconds(old + 60_000);
        return { ...signed, entries: signed.entries.map((one) => ({ ...one, integratedTime })) };
      }),
    );
    t.match(
      await pull(forged),
      /^403 DENIED .*no known log or authority proves when it was signed, and .*is valid from/,
      `${timestamps} times required`,
    );
  }
});

t.test('a promise of another time', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const old = SIGSTORE_TIME - DAY;
  const by = sigstore.leaf({ notBefore: old });
  const forged = put(
    'signed today',
    bundle((image) => {
      const signed = sigstore.signEnvelope(about(image), { by });
      const integratedTime = seconds(old + 60_000);
      return { ...signed, entries: signed.entries.map((one) => ({ ...one, integratedTime })) };
    }),
  );
  t.match(await pull(forged), /^403 DENIED .*the promise \(SET\) of the log does not verify/);
  const late = put(
    'promised today',
    bundle((image) => sigstore.signEnvelope(about(image), { by })),
  );
  t.match(await pull(late), /^403 DENIED .*signature invalid.*is valid from .*, and not at/);
});

t.test('a proof without a promise is a log, and no time', async (t) => {
  const add = { promise: false };
  const demanding = await openKeyless(t);
  const { sigstore } = demanding;
  const signed = bundle((image) => sigstore.signEnvelope(about(image), { add }));
  t.match(
    await demanding.pull(demanding.put('one', signed)),
    /^403 DENIED .*no proven time: 1 required/,
  );
  const content = await openKeyless(t, { sigstore, spec: { timestamps: 0 } });
  t.equal(await content.pull(content.put('one', signed)), '200');
});

t.test('a time in an entry of version 2, which tells none', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = sigstore.leaf();
  t.equal(
    await pull(
      put(
        'good',
        bundle((image) => sigstore.signEnvelope(about(image), { by, ...sigstore.withLog2 })),
      ),
    ),
    '200',
  );
  const forged = put('forged', ({ registry }, image) => {
    const signed = sigstore.signEnvelope(about(image), { by, logs: [sigstore.log2] });
    const integratedTime = seconds(SIGSTORE_TIME);
    const entries = signed.entries.map((one) => ({ ...one, integratedTime }));
    return bundle(() => ({ ...signed, entries }))({ registry }, image);
  });
  t.match(await pull(forged), /^403 DENIED .*unexpected integrated time/);
});
