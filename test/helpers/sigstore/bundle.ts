/** Sigstore bundles of every version around a signature, with a certificate, a chain or a key. */
import { ALGORITHM_NAMES, keyOf } from './entry-body.ts';
import { sha } from './key.ts';
import type { SignedEnvelope, SignedMessage } from './signed.ts';

export type BundleVersion = '0.1' | '0.2' | '0.3';

export const BUNDLE_TYPES: Readonly<Record<BundleVersion, string>> = {
  '0.1': 'application/vnd.dev.sigstore.bundle+json;version=0.1',
  '0.2': 'application/vnd.dev.sigstore.bundle+json;version=0.2',
  '0.3': 'application/vnd.dev.sigstore.bundle.v0.3+json',
};

export interface BundleOptions {
  readonly version?: BundleVersion;
  /** A chain before version 0.3 and the bare certificate since, unless told. */
  readonly certificate?: 'certificate' | 'chain' | 'chain with intermediates' | 'chain with root';
  /** Laid over the bundle. */
  readonly changes?: object;
  /** Laid over its verification material. */
  readonly material?: object;
}

export function bundleOf(
  signed: SignedMessage | SignedEnvelope,
  options: BundleOptions = {},
): object {
  const { version = '0.3', entries, timestamps } = { ...signed, ...options };
  const stamps = timestamps.map((stamp) => ({ signedTimestamp: stamp.toString('base64') }));
  return {
    mediaType: BUNDLE_TYPES[version],
    verificationMaterial: {
      ...verifierOf(signed, options.certificate ?? (version === '0.3' ? 'certificate' : 'chain')),
      ...(entries.length === 0 ? {} : { tlogEntries: entries }),
      ...(stamps.length === 0 ? {} : { timestampVerificationData: { rfc3161Timestamps: stamps } }),
      ...options.material,
    },
    ...contentOf(signed),
    ...options.changes,
  };
}

function verifierOf(
  { verifier }: SignedMessage | SignedEnvelope,
  form: NonNullable<BundleOptions['certificate']>,
): object {
  if (!('key' in verifier)) {
    return { publicKey: { hint: sha('sha256', keyOf(verifier).spki).toString('base64') } };
  }
  const raw = ({ der }: { readonly der: Buffer }): object => ({ rawBytes: der.toString('base64') });
  if (form === 'certificate') return { certificate: raw(verifier) };
  const { intermediates } = verifier;
  const root = intermediates.at(-1)?.issuer ?? verifier.issuer;
  const rest = {
    chain: [],
    'chain with intermediates': intermediates,
    'chain with root': root === undefined ? intermediates : [...intermediates, root],
  }[form];
  return { x509CertificateChain: { certificates: [verifier, ...rest].map(raw) } };
}

function contentOf(signed: SignedMessage | SignedEnvelope): object {
  const signature = signed.signature.toString('base64');
  if (signed.kind === 'message') {
    const digest = sha(signed.hash, signed.data).toString('base64');
    const messageDigest = { algorithm: ALGORITHM_NAMES[signed.hash], digest };
    return { messageSignature: { messageDigest, signature } };
  }
  const { payload, payloadType } = signed.envelope;
  return {
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType,
      signatures: [{ sig: signature }],
    },
  };
}
