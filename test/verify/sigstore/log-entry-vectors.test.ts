/** Log entries that others made: those of the conformance suite, from the public logs and from staging. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import t from 'tap';
import { isJsonObject, parseJson, type JsonObject } from '../../../src/oci/json.ts';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { parsePublicKeys } from '../../../src/trust/public-key.ts';
import type { LogKey } from '../../../src/trust/trust-root.ts';
import { parseTrustedRoot } from '../../../src/trust/trusted-root.ts';
import { verifyEntry } from '../../../src/verify/sigstore/log-entry.ts';
import type { SignedMaterial } from '../../../src/verify/sigstore/material.ts';
import type { EntryJson } from '../../helpers/sigstore/transparency-log.ts';
import { needsVectors, readVector, vectorPath } from '../vectors.ts';
import { logEntryOf } from './logged.ts';

const SUITE = 'sigstore-conformance';
const NOW = Date.UTC(2026, 10, 21);

/** Why the entry itself does not hold. Other failures of the suite are about certificates, timestamps, digests. */
const BROKEN: Readonly<Record<string, RegExp>> = {
  'bundle-negative-log-index_fail': /expected a log index of 0 or more/,
  'bundle-invalid-base64-signature_fail': /promise \(SET\) of the log does not verify/,
  'checkpoint-bad-keyhint_fail': /the checkpoint is not signed by the log/,
  'dsse-invalid-sig_fail': /about another signature/,
  'dsse-mismatch-sig_fail': /about another signature/,
  'inclusion-proof-corrupted-hash_fail': /does not lead from the entry to the root hash/,
  'intoto-log-entry-mismatch_fail': /the signature in the body/,
  'rekor2-checkpoint-missing-log-signature_fail': /the checkpoint has no signature/,
  'rekor2-checkpoint-missing-root-hash_fail': /root hash/,
  'rekor2-dsse-invalid-sig_fail': /about another signature/,
  'rekor2-dsse-mismatch-sig_fail': /about another signature/,
  'rekor2-no-inclusion-proof_fail': /expected an inclusion proof under a checkpoint/,
  'signature-mismatch_fail': /about another signature/,
  'wrong-hashedrekord-artifact_fail': /about other content/,
  'wrong-hashedrekord-entry_fail': /by another certificate/,
};

/** Nobody can say who should have signed. */
const WITHOUT_VERIFIER = ['bundle-empty-certificate-chain_fail', 'managed-key-no-key_fail'];

interface Bundle {
  readonly verificationMaterial: {
    readonly certificate?: { readonly rawBytes: string };
    readonly x509CertificateChain?: { readonly certificates: readonly [{ rawBytes: string }] };
    readonly tlogEntries: readonly EntryJson[];
  };
  readonly messageSignature?: { readonly signature: string };
  readonly dsseEnvelope?: {
    readonly payloadType: string;
    readonly payload: string;
    readonly signatures: readonly [{ readonly sig: string }];
  };
}

t.test('the entries of the conformance suite', needsVectors, (t) => {
  const names = readdirSync(vectorPath(SUITE), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !WITHOUT_VERIFIER.includes(entry.name))
    .map(({ name }) => name);
  t.ok(names.length > 30);
  for (const name of names) {
    const message = BROKEN[name];
    if (message === undefined) {
      t.notSame(verify(name), ['unknown-log'], name);
    } else {
      t.throws(() => verify(name), { name: 'SyntaxError', message }, name);
    }
  }
  t.end();
});

t.test('a key is valid at the very end of its validity', needsVectors, (t) => {
  const name = 'trust-root-tlog-validity-end-inclusive';
  t.match(verify(name), [{ inclusion: { by: ['promise', 'proof'] }, time: { time: Number } }]);
  const end = Date.UTC(2023, 6, 12, 15, 56, 36);
  const [log] = logsOf(name);
  t.equal(log?.validity.end, end);
  const earlier = logsOf(name).map((each) => ({ ...each, validity: { start: 0, end: end - 1 } }));
  t.throws(() => verify(name, earlier), { message: /key of the log was not valid/ });
  t.end();
});

function verify(name: string, logs = logsOf(name)) {
  const bundle = JSON.parse(readVector(SUITE, name, 'bundle.sigstore.json').toString()) as Bundle;
  const { certificate, x509CertificateChain, tlogEntries } = bundle.verificationMaterial;
  const raw = (certificate ?? x509CertificateChain?.certificates[0])?.rawBytes;
  const [key] = raw === undefined ? parsePublicKeys(fileOf(name, 'key.pub', ''), name) : [];
  const verifier = raw === undefined ? key : parseCertificate(Buffer.from(raw, 'base64'));
  if (verifier === undefined) throw new Error('expected a verifier');
  const material = materialOf(bundle, name);
  return tlogEntries.map((entry) =>
    verifyEntry(logEntryOf(entry), material, verifier, logs, 'theirs', NOW),
  );
}

function materialOf(bundle: Bundle, name: string): Pick<SignedMaterial, 'signature' | 'content'> {
  const { dsseEnvelope: envelope, messageSignature } = bundle;
  if (envelope !== undefined) {
    const { payloadType } = envelope;
    const payload = Buffer.from(envelope.payload, 'base64');
    const signature = Buffer.from(envelope.signatures[0].sig, 'base64');
    return { signature, content: { kind: 'dsse', payloadType, payload } };
  }
  const artifact = fileOf(name, 'artifact', readVector(SUITE, 'a.txt').toString('latin1'));
  return {
    signature: Buffer.from(messageSignature?.signature ?? '', 'base64'),
    content: { kind: 'message', data: Buffer.from(artifact, 'latin1') },
  };
}

/** The file's bytes as text, or what stands in for it. */
function fileOf(name: string, file: string, otherwise: string): string {
  const isThere = readdirSync(vectorPath(SUITE, name)).includes(file);
  return isThere ? readVector(SUITE, name, file).toString('latin1') : otherwise;
}

/** The case's own trusted root, or that of the public instance. */
function logsOf(name: string): readonly LogKey[] {
  const text = fileOf(name, 'trusted_root.json', '');
  const root = text === '' ? publicRoot() : Buffer.from(text, 'latin1');
  return parseTrustedRoot(root).transparencyLogs;
}

function publicRoot(): Buffer {
  const path = createRequire(import.meta.url).resolve('@sigstore/tuf/seeds.json');
  const [mirror] = Object.values(parseJson(readFileSync(path)) as JsonObject);
  const targets = isJsonObject(mirror) ? mirror['targets'] : undefined;
  const root = isJsonObject(targets) ? targets['trusted_root.json'] : undefined;
  if (typeof root !== 'string') throw new Error('expected a trusted root in seeds.json');
  return Buffer.from(root, 'base64');
}
