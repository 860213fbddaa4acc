/** Who signs with the real `notation`: the vendor with several certificates, and a stranger of the same names. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  issueNotationAuthority,
  issueSigner,
  vendorName,
  type SignerOptions,
} from '../../helpers/notation/certificate.ts';
import { notationWithKeys } from './notation-folder.ts';
import type { Registry } from './registry.ts';
import type { Place } from './tamper.ts';
import { startChainedTimestamps } from './timestamp-server.ts';

export interface NotationSignature {
  /** JWS unless told. */
  readonly format?: 'jws' | 'cose';
  /** Whether the timestamp authority stamps it; no unless told. */
  readonly stamped?: boolean;
  /** As `notation` reads durations; forever unless told. */
  readonly expiry?: string;
  /** `key=value` */
  readonly metadata?: string;
}

/** `release` and `release-rsa` are whom the operator trusts; `brief` is too, but its certificate ends soon. */
export type SignerName = 'release' | 'release-rsa' | 'brief' | 'nightly' | 'stranger';

export interface NotationSigners {
  /** PEM of the root of the vendor's certificates. */
  readonly ca: string;
  /** PEM of the timestamp authority's root. */
  readonly tsa: string;
  /** Until when the certificate of `brief` is valid. Milliseconds since the epoch. */
  readonly briefUntil: number;
  sign(place: Place, name: SignerName, signature?: NotationSignature): Promise<void>;
  stop(): Promise<void>;
}

/** What the releases' certificates have in their subjects, as trust policies write it. */
export const releaseIdentity = 'x509.subject: C=DE, ST=BY, O=Vendor, CN=release';

const MINUTE = 60 * 1000;

/** Long enough to sign two images with it on a slow machine. */
const BRIEF = 2 * MINUTE;

/** @param folder for the program's configuration and the keys. */
export async function createNotationSigners(
  folder: string,
  registry: Registry,
): Promise<NotationSigners> {
  // What takes its time comes before the clock of the brief certificate starts.
  const timestamps = await startChainedTimestamps();
  const tsa = lastOf(timestamps.chainPem);
  const now = Date.now();
  const span = { notBefore: now - MINUTE, notAfter: now + 24 * 60 * MINUTE };
  const vendor = issueNotationAuthority('root', span);
  const stranger = issueNotationAuthority('root', span);
  const issue = (commonName: string, options: SignerOptions = {}) =>
    issueSigner({ ...span, issuer: vendor, subject: vendorName(commonName), ...options });
  // Certificates have whole seconds.
  const briefUntil = Math.floor((now + BRIEF) / 1000) * 1000;
  const signers = {
    release: issue('release'),
    brief: issue('release', { notAfter: briefUntil }),
    'release-rsa': issue('release', { key: 'rsa3072' }),
    nightly: issue('nightly'),
    stranger: issue('release', { issuer: stranger }),
  } satisfies Record<SignerName, unknown>;
  const notation = notationWithKeys(folder, signers);
  const tsaFile = join(folder, 'tsa.pem');
  writeFileSync(tsaFile, tsa);

  return {
    ca: vendor.pem,
    tsa,
    briefUntil,
    sign: async ({ repository, digest }, name, signature = {}) => {
      const { format = 'jws', stamped = false, expiry, metadata } = signature;
      const { status, output } = await notation(
        ...['sign', '--insecure-registry', '--key', name, '--signature-format', format],
        ...(stamped ? ['--timestamp-url', timestamps.url, '--timestamp-root-cert', tsaFile] : []),
        ...(expiry === undefined ? [] : ['--expiry', expiry]),
        ...(metadata === undefined ? [] : ['--user-metadata', metadata]),
        `${registry.host}/${repository}@${digest}`,
      );
      if (status !== 0) throw new Error(`notation sign: exit status ${status}\n${output}`);
    },
    stop: () => timestamps.stop(),
  };
}

/** The root of a chain in PEM. */
function lastOf(chainPem: string): string {
  const begin = chainPem.lastIndexOf('-----BEGIN CERTIFICATE-----');
  return chainPem.slice(begin);
}
