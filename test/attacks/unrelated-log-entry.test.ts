/**
 * A log takes whatever it is given: anybody may log an entry that shares one thing or two with a signature. Verifiers
 * have compared the digest but not the signature, or both but not the key, and so took an entry as proof that a
 * signature was seen which never was (CVE-2022-36056, CVE-2024-51746, CVE-2026-22703). Each of the three has to be the
 * signature's own, in entries of every kind.
 */
import t from 'tap';
import { sha } from '../helpers/sigstore/key.ts';
import type { EntryKind, Verifier } from '../helpers/sigstore/entry-body.ts';
import type { EntryBody } from '../helpers/sigstore/transparency-log.ts';
import { about, bundle, openKeyless, sig } from './keyless.ts';

/** The same body with every text that is a key of `changes` replaced, however deep. */
function replaced(body: EntryBody, changes: ReadonlyMap<string, string>): EntryBody {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return changes.get(value) ?? value;
    if (Array.isArray(value)) return value.map(walk);
    if (!(value instanceof Object)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item)]));
  };
  return { ...body, spec: walk(body.spec) as object };
}

function textsOf(verifier: Verifier): readonly string[] {
  const der = 'key' in verifier ? [verifier.der.toString('base64')] : [];
  return [Buffer.from(verifier.pem).toString('base64'), ...der];
}

/** Replaces who signed by somebody else. */
function by(other: Verifier, own: Verifier): (body: EntryBody) => EntryBody {
  const to = textsOf(other);
  const changes = textsOf(own).map((text, index) => [text, to[index] ?? ''] as const);
  return (body) => replaced(body, new Map(changes));
}

const digests = {
  hex: sha('sha256', Buffer.from('something else')).toString('hex'),
  base64: sha('sha256', Buffer.from('something else')).toString('base64'),
};

/** Replaces every SHA-256 by that of something else. */
function ofSomethingElse(body: EntryBody): EntryBody {
  const text = JSON.stringify(body.spec)
    .replaceAll(/"[0-9a-f]{64}"/g, JSON.stringify(digests.hex))
    .replaceAll(/"[A-Za-z0-9+/]{43}="/g, JSON.stringify(digests.base64));
  return { ...body, spec: JSON.parse(text) as object };
}

const kinds: readonly (readonly [EntryKind, 'log' | 'log2'])[] = [
  ['dsse 0.0.1', 'log'],
  ['intoto 0.0.2', 'log'],
  ['hashedrekord 0.0.2', 'log2'],
  ['dsse 0.0.2', 'log2'],
];
for (const [entryKind, log] of kinds) {
  t.test(`${entryKind} about another digest, signature or certificate`, async (t) => {
    const { sigstore, put, pull } = await openKeyless(t);
    const own = sigstore.leaf();
    const options = { by: own, entryKind, ...(log === 'log2' ? sigstore.withLog2 : {}) };
    const signedWith = (body?: (body: EntryBody) => EntryBody) =>
      bundle((image) =>
        sigstore.signEnvelope(about(image), {
          ...options,
          ...(body === undefined ? {} : { body }),
        }),
      );
    t.equal(await pull(put('good', signedWith())), '200');
    const content = put('another digest', signedWith(ofSomethingElse));
    t.match(await pull(content), /^403 DENIED .*the log entry is about other content/);
    // The same key, so that only the certificate differs.
    const certified = put(
      'another certificate',
      signedWith(by(sigstore.leaf({ key: own.key }), own)),
    );
    t.match(await pull(certified), /^403 DENIED .*the log entry is by another certificate/);
    const keyed = put('another key', signedWith(by(sigstore.leaf(), own)));
    t.match(await pull(keyed), /^403 DENIED .*the log entry is by another certificate/);
    const bare = put('a bare key', signedWith(by(own.key, own)));
    t.match(await pull(bare), /^403 DENIED .*the log entry/);
    const signature = put(
      'another signature',
      bundle((image) => {
        // ECDSA signs the same content anew with each signature.
        const { entries } = sigstore.signEnvelope(about(image), options);
        return { ...sigstore.signEnvelope(about(image), options), entries };
      }),
    );
    t.match(
      await pull(signature),
      /^403 DENIED .*the log entry is about (another signature|other content)/,
    );
  });
}

t.test('hashedrekord 0.0.1 beside a .sig', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const own = sigstore.leaf();
  const signed = (body: (body: EntryBody) => EntryBody) =>
    sig((payload) => sigstore.signMessage(payload, { by: own, body }));
  t.equal(
    await pull(
      put(
        'good',
        signed((body) => body),
      ),
    ),
    '200',
  );
  const content = put('another digest', signed(ofSomethingElse));
  t.match(await pull(content), /^403 DENIED .*the log entry is about other content/);
  const certified = put('another certificate', signed(by(sigstore.leaf({ key: own.key }), own)));
  t.match(await pull(certified), /^403 DENIED .*the log entry is by another certificate/);
  const signature = put(
    'another signature',
    sig((payload) => {
      const { entries } = sigstore.signMessage(payload, { by: own });
      return { ...sigstore.signMessage(payload, { by: own }), entries };
    }),
  );
  t.match(await pull(signature), /^403 DENIED .*the log entry is about another signature/);
});
