/** Evidence as verification would prove it, for tests of what is made of it. */
import { digestOf } from '../../src/oci/digest.ts';
import {
  proveEvidence,
  type CertificateSigner,
  type Evidence,
  type KeySigner,
  type LogInclusion,
  type ProvenTime,
} from '../../src/policy/evidence.ts';

/** 2026-06-01T00:00:00Z */
export const NOW = Date.UTC(2026, 5, 1);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const ISSUER = 'https://token.actions.githubusercontent.com';
export const SUBJECT = 'https://github.com/acme/app/.github/workflows/release.yaml@refs/heads/main';

const image = digestOf(Buffer.from('image'));

export function keySigner(name: string, trustRoot = name): KeySigner {
  const fingerprint = digestOf(Buffer.from(name));
  return { kind: 'key', trustRoot, fingerprint, label: `${name}.pub` };
}

export function certificateSigner(changes: Partial<CertificateSigner> = {}): CertificateSigner {
  return {
    kind: 'certificate',
    trustRoot: 'sigstore',
    fingerprint: digestOf(Buffer.from('certificate')),
    issuer: ISSUER,
    subjects: [{ type: 'uri', value: SUBJECT }],
    extensions: { sourceRepositoryURI: 'https://github.com/acme/app' },
    notBefore: NOW - HOUR,
    notAfter: NOW - HOUR + 600_000,
    ...changes,
  };
}

export function inLog(log: string, trustRoot = 'sigstore', index = '1'): LogInclusion {
  return { trustRoot, log, name: `${log}.example`, index, by: ['promise'] };
}

export function atTime(authority: string, trustRoot = 'sigstore', time = NOW - HOUR): ProvenTime {
  return {
    trustRoot,
    source: 'timestamp-authority',
    authority,
    name: `${authority}.example`,
    time,
  };
}

/** A signature with all that a keyless requirement demands by default. */
export function evidence(changes: Partial<Evidence> = {}): Evidence {
  return proveEvidence({
    scheme: 'sigstore-bundle',
    signer: certificateSigner(),
    digest: image,
    foundIn: image,
    references: [],
    logs: [inLog('rekor')],
    certificateLogs: ['ct'],
    times: [atTime('tsa')],
    ...changes,
  });
}

export function attestation(
  predicateType: string,
  predicate: unknown,
  changes: Partial<Evidence> = {},
): Evidence {
  const subject = [{ name: 'app', digest: { sha256: image.slice(7) } }];
  const json = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate };
  return evidence({ statement: { predicateType, json }, ...changes });
}
