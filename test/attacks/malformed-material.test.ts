/**
 * A bundle is JSON by a stranger. Verifiers panicked on a null where an object was expected, on a number where text
 * was, on certificates that are none; a proxy that falls over is as good as one that is switched off. Every member of
 * a good bundle is taken away or replaced by each kind of nonsense, one at a time: what comes of it is an answer in
 * words, never a crash, and never more trust than the good one had.
 */
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import type { Evidence } from '../../src/policy/evidence.ts';
import type { SchemeVerifier } from '../../src/verify/candidate.ts';
import { cosignAttestation } from '../../src/verify/attestation/verifier.ts';
import { sigstoreBundle } from '../../src/verify/sigstore/verifier.ts';
import { simpleSigning } from '../../src/verify/simple-signing/verifier.ts';
import { TEAM } from '../helpers/lab.ts';
import { putBundle, simplePayload, statement } from '../helpers/signer.ts';
import { bundleOf } from '../helpers/sigstore/bundle.ts';
import {
  attestationLayer,
  bundleLayer,
  candidateOf,
  simpleLayer,
  type SignatureLayer,
} from '../helpers/sigstore/layers.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { about, openKeyless } from './keyless.ts';

const bytes = Buffer.from('{"schemaVersion":2}');
const subject = { digest: digestOf(bytes), bytes };
const signed = statement([{ digest: { sha256: subject.digest.slice('sha256:'.length) } }]);
const sigstore = createSigstore();
const NONSENSE: readonly unknown[] = [
  ...[undefined, null, true, 1e300, '', 'nonsense', '-1'],
  ...[[], {}, [null], 'A'.repeat(70_000)],
];

/** Every value that differs from `json` in one place, which is named. */
function* mutations(json: unknown, place = ''): Generator<readonly [string, unknown]> {
  for (const [index, other] of NONSENSE.entries()) yield [`${place} #${index}`, other];
  if (!(json instanceof Object)) return;
  for (const [name, value] of Object.entries(json)) {
    for (const [where, other] of mutations(value, `${place}/${name}`)) {
      const copy = structuredClone(json);
      Object.assign(copy, { [name]: other });
      yield [where, copy];
    }
  }
}

/** Every signature here has at most one log and two times. */
function hasMore({ logs, times, certificateLogs }: Evidence): boolean {
  return logs.length > 1 || times.length > 2 || certificateLogs.length > 1;
}

/** What checking a mutated layer comes to: how often it was refused, and what else happened. */
function outcomes(scheme: SchemeVerifier, layers: Iterable<readonly [string, SignatureLayer]>) {
  let refused = 0;
  const crashes: string[] = [];
  const accepted: string[] = [];
  for (const [where, layer] of layers) {
    try {
      const context = { roots: [sigstore.root()], now: SIGSTORE_TIME };
      const checked = scheme.check(candidateOf(layer), subject, context);
      if (checked.outcome === 'rejected') refused += 1;
      else accepted.push(`${where}${checked.evidence.some(hasMore) ? ' MORE' : ''}`);
    } catch (error) {
      crashes.push(`${where}: ${String(error)}`);
    }
  }
  return { refused, crashes, accepted };
}

/** JSON; nothing at all for undefined. */
function textOf(json: unknown): string {
  return json === undefined ? '' : JSON.stringify(json);
}

function* mutated(layer: SignatureLayer): Generator<readonly [string, SignatureLayer]> {
  const json: unknown = JSON.parse(layer.content.toString());
  for (const [where, other] of mutations(json)) {
    yield [where, { ...layer, content: Buffer.from(textOf(other)) }];
  }
}

/** What a bundle may be without (proofs, times, hints), and what nobody reads: there is less to count then, no more. */
const HARMLESS =
  /(inclusionP|timestampVerificationData|rfc3161|tlogEntries|logIndex|rootHash|treeSize|hashes|logId|keyId|integratedTime|messageDigest #[01]$)/;

function worrying(accepted: readonly string[]): readonly string[] {
  return accepted.filter((where) => !HARMLESS.test(where) || where.endsWith(' MORE'));
}

const stamped = sigstore.signEnvelope(signed, {
  timestampAuthorities: [sigstore.timestampAuthority],
});
const bundles = {
  'an envelope': bundleLayer(stamped),
  'a message with a chain': bundleLayer(sigstore.signMessage(bytes), { version: '0.1' }),
  'an entry of version 2': bundleLayer(sigstore.signEnvelope(signed, sigstore.withLog2)),
};
for (const [what, layer] of Object.entries(bundles)) {
  t.test(`a bundle of ${what} with nonsense in every place`, { timeout: 300_000 }, async (t) => {
    t.equal(outcomes(sigstoreBundle, [['', layer]]).accepted.length, 1, 'the good one');
    const { refused, crashes, accepted } = outcomes(sigstoreBundle, mutated(layer));
    t.ok(refused > 100, `${refused} were refused`);
    t.strictSame(crashes, []);
    t.strictSame(worrying(accepted), []);
  });
}

t.test('annotations with nonsense in every place', { timeout: 300_000 }, async (t) => {
  const forms = [
    [simpleSigning, simpleLayer(sigstore.signMessage(simplePayload(subject.digest)))],
    [cosignAttestation, attestationLayer(sigstore.signEnvelope(signed))],
  ] as const;
  for (const [scheme, layer] of forms) {
    t.equal(outcomes(scheme, [['', layer]]).accepted.length, 1, scheme.scheme);
    const layers = Object.entries(layer.annotations).flatMap(([name, value]) => {
      const text = value.startsWith('{')
        ? [...mutations(JSON.parse(value))].map(([at, json]) => [at, textOf(json)] as const)
        : NONSENSE.map((other, index) => [`#${index}`, String(other)] as const);
      return text.map(([at, text]) => {
        const annotations = { ...layer.annotations, [name]: text };
        return [`${name}${at}`, { ...layer, annotations }] as const;
      });
    });
    const { refused, crashes } = outcomes(scheme, layers);
    t.ok(refused > 15, `${refused} were refused`);
    t.strictSame(crashes, []);
  }
});

t.test('statements with nonsense in every place', { timeout: 300_000 }, async (t) => {
  const by = sigstore.leaf();
  const layers = [...mutations(JSON.parse(signed.toString()))].map(([where, json]) => {
    const payload = Buffer.from(textOf(json));
    return [where, bundleLayer(sigstore.signEnvelope(payload, { by }))] as const;
  });
  const { crashes, accepted } = outcomes(sigstoreBundle, layers);
  t.strictSame(crashes, []);
  t.strictSame(
    accepted.filter(
      (where) => !/^\/predicate |^\/predicate\/|^\/predicateType|^\/subject\/0\/name/.test(where),
    ),
    [],
  );
});

t.test('damaged DER in certificates and timestamps', { timeout: 300_000 }, async (t) => {
  const by = sigstore.leaf();
  const { timestampAuthority } = sigstore;
  const good = sigstore.signEnvelope(signed, { by, timestampAuthorities: [timestampAuthority] });
  const damaged = (der: Buffer, at: number): Buffer => {
    const copy = Buffer.from(der);
    copy[at] = (copy[at] ?? 0) ^ 0x15;
    return copy;
  };
  const layers: (readonly [string, SignatureLayer])[] = [];
  for (let at = 0; at < by.der.length; at += 7) {
    const verifier = { ...by, der: damaged(by.der, at) };
    layers.push([`certificate ${at}`, bundleLayer({ ...good, verifier })]);
  }
  const [stamp = Buffer.alloc(0)] = good.timestamps;
  for (let at = 0; at < stamp.length; at += 17) {
    layers.push([`timestamp ${at}`, bundleLayer({ ...good, timestamps: [damaged(stamp, at)] })]);
    const timestamps = [stamp.subarray(0, at)];
    layers.push([`end of timestamp ${at}`, bundleLayer({ ...good, timestamps })]);
  }
  const { crashes, refused } = outcomes(sigstoreBundle, layers);
  t.strictSame(crashes, []);
  t.ok(refused > layers.length / 2, `${refused} of ${layers.length} were refused`);
});

t.test('the proxy answers 403, and a good bundle beside it still admits', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const nonsense: Readonly<Record<string, object>> = {
    'null material': { verificationMaterial: null },
    'a null envelope': { dsseEnvelope: null },
    'a number as envelope': { dsseEnvelope: 7 },
    'null entries': {
      verificationMaterial: { certificate: { rawBytes: '' }, tlogEntries: [null] },
    },
    'a null certificate': { verificationMaterial: { certificate: null } },
    'no DER': { verificationMaterial: { certificate: { rawBytes: 'bm9uc2Vuc2U=' } } },
    'a null media type': { mediaType: null },
  };
  for (const [what, changes] of Object.entries(nonsense)) {
    const evil = put(what, ({ registry }, image) => {
      putBundle(registry, TEAM, image, bundleOf(sigstore.signEnvelope(about(image)), { changes }));
    });
    t.match(await pull(evil), /^403 DENIED .*signature/, what);
    const both = put(`${what}, and a good one`, ({ registry }, image) => {
      const one = sigstore.signEnvelope(about(image));
      putBundle(registry, TEAM, image, bundleOf(one, { changes }));
      putBundle(registry, TEAM, image, bundleOf(one));
    });
    t.equal(await pull(both), '200', what);
  }
});
