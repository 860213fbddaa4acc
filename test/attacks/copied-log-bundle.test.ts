/**
 * Whoever can push, but not sign into the log, copies the log's words about another signature: the Rekor bundle of a
 * good signature's annotation beside one that was never logged, or the entry of one Sigstore bundle into another. The
 * entry is real and its promise (SET) verifies; only what it is about is something else (CVE-2022-23649).
 */
import t from 'tap';
import { simplePayload } from '../helpers/signer.ts';
import { entryAnnotation } from '../helpers/sigstore/layers.ts';
import type { EntryJson } from '../helpers/sigstore/transparency-log.ts';
import { about, att, bundle, openKeyless, sig } from './keyless.ts';

const ANNOTATION = 'dev.sigstore.cosign/bundle';

function annotation(entries: readonly EntryJson[]): string {
  const [entry] = entries;
  if (entry === undefined) throw new Error('expected an entry');
  return entryAnnotation(entry);
}

t.test('the log bundle of another signature beside a .sig', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = sigstore.leaf();
  const good = put(
    'good',
    sig((payload) => sigstore.signMessage(payload, { by })),
  );
  t.equal(await pull(good), '200');
  const copied = annotation(sigstore.signMessage(simplePayload(good.digest), { by }).entries);
  const unlogged = (payload: Buffer) => sigstore.signMessage(payload, { by, logs: [] });
  const evil = put('evil', sig(unlogged, { [ANNOTATION]: copied }));
  t.match(await pull(evil), /^403 DENIED .*the log entry is about other content/);
});

t.test('the log bundle of another signature over the same payload', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = sigstore.leaf();
  const evil = put(
    'evil',
    sig(
      (payload) => sigstore.signMessage(payload, { by, logs: [] }),
      ({ data }) => ({ [ANNOTATION]: annotation(sigstore.signMessage(data, { by }).entries) }),
    ),
  );
  t.match(await pull(evil), /^403 DENIED .*the log entry is about another signature/);
  const never = put(
    'never logged',
    sig((payload) => sigstore.signMessage(payload, { by, logs: [] })),
  );
  t.match(await pull(never), /^403 DENIED .*no log: 1 required/);
});

t.test('the entry of another envelope in a bundle and beside an .att', async (t) => {
  const type = 'https://acme.test/checked/v1';
  const attested = (trustRoot: string) =>
    ({
      attestation: {
        type,
        by: { sigstore: { trustRoot, identities: [{ issuer: 'https://a.test', subject: 'b' }] } },
      },
    }) as const;
  const signed = await openKeyless(t);
  const { sigstore } = signed;
  const by = sigstore.leaf();
  t.equal(
    await signed.pull(
      signed.put(
        'good',
        bundle((image) => sigstore.signEnvelope(about(image), { by })),
      ),
    ),
    '200',
  );
  const { entries } = sigstore.signEnvelope(about(signed.image('another')), { by });
  const evil = signed.put(
    'evil',
    bundle((image) => ({ ...sigstore.signEnvelope(about(image), { by, logs: [] }), entries })),
  );
  t.match(
    await signed.pull(evil),
    /^403 DENIED .*the log entry is about (another signature|other content)/,
  );

  const leaf = sigstore.leaf({ issuer: 'https://a.test', names: [{ uri: 'b' }] });
  const lab = await openKeyless(t, { sigstore, require: attested('sigstore') });
  t.equal(
    await lab.pull(
      lab.put(
        'good',
        att((image) => sigstore.signEnvelope(about(image, type), { by: leaf })),
      ),
    ),
    '200',
  );
  const other = sigstore.signEnvelope(about(lab.image('another'), type), { by: leaf }).entries;
  const copied = lab.put(
    'evil',
    att((image) => ({
      ...sigstore.signEnvelope(about(image, type), { by: leaf, logs: [] }),
      entries: other,
    })),
  );
  t.match(
    await lab.pull(copied),
    /^403 DENIED .*the log entry is about (another signature|other content)/,
  );
});
