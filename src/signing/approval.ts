/**
 * The organisation's own signature: a Sigstore bundle as `cosign sign --key` of version 3 makes it, and the OCI artifact
 * that carries it (cosign BUNDLE_SPEC), with a note and an expiry that are signed along.
 */
import { dsse } from '@sigstore/core';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, digestHex, digestOf, type Digest } from '../oci/digest.ts';
import { APPROVAL_MEMBER } from '../verify/sigstore/approval-claims.ts';
import { COSIGN_SIGN_PREDICATE, IN_TOTO } from '../verify/sigstore/statement-binding.ts';
import type { Signer } from './signer.ts';
import { SigningError } from './signing-error.ts';

export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
const EMPTY = Buffer.from('{}');

/** Characters of a note. */
export const MAX_NOTE = 1000;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

export interface ApprovalRequest {
  /** What is approved. */
  readonly subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  /** The image's whole name, as it was asked for. */
  readonly reference: string;
  readonly note?: string | undefined;
  /** Milliseconds since the epoch; absent: for good. */
  readonly expires?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A manifest or blob, by the digest of its bytes. */
export interface SignedContent {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** The artifact of a signature. */
export interface SignedArtifact {
  readonly manifest: SignedContent & { readonly annotations: Readonly<Record<string, string>> };
  /** Config and layer of the manifest. */
  readonly blobs: readonly SignedContent[];
  /** Milliseconds since the epoch. */
  readonly signedAt: number;
}

/**
 * Signs.
 * @throws {SigningError} for a note that is too long or no line of text, an expiry that is over, and when the signer does
 * not sign.
 */
export async function makeApproval(
  signer: Signer,
  request: ApprovalRequest,
): Promise<SignedArtifact> {
  const { subject, reference, note, expires, now } = request;
  if (note !== undefined && (note.length > MAX_NOTE || UNPRINTABLE.test(note))) {
    throw new SigningError(
      'content',
      `expected a note of one line and at most ${MAX_NOTE} characters`,
    );
  }
  if (expires !== undefined && expires <= now) {
    throw new SigningError('content', `expected an expiry to come, got ${timeText(expires)}`);
  }
  const approval = {
    reference,
    ...(note === undefined || note === '' ? {} : { note }),
    approvedAt: timeText(now),
    ...(expires === undefined ? {} : { expires: timeText(expires) }),
  };
  return signDigest(signer, subject, { [APPROVAL_MEMBER]: approval }, now);
}

/**
 * Signs a digest as `cosign sign` does.
 * @param predicate what is signed along; cosign's own is empty.
 * @param now milliseconds since the epoch.
 */
export async function signDigest(
  signer: Signer,
  subject: ApprovalRequest['subject'],
  predicate: object,
  now: number,
): Promise<SignedArtifact> {
  const { mediaType, digest, size } = subject;
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) } }],
    predicateType: COSIGN_SIGN_PREDICATE,
    predicate,
  };
  const bundle = await makeBundle(signer, Buffer.from(JSON.stringify(statement)));
  const config = content(EMPTY_TYPE, EMPTY);
  const layer = content(BUNDLE_TYPE, Buffer.from(JSON.stringify(bundle)));
  const annotations = {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': COSIGN_SIGN_PREDICATE,
    'org.opencontainers.image.created': timeText(now),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: BUNDLE_TYPE,
    config: describe(config),
    layers: [describe(layer)],
    subject: { mediaType, digest, size },
    annotations,
  };
  return {
    manifest: { ...content(MANIFEST_TYPE, Buffer.from(JSON.stringify(manifest))), annotations },
    blobs: [config, layer],
    signedAt: now,
  };
}

async function makeBundle(signer: Signer, payload: Buffer): Promise<object> {
  const signature = await signer.sign(dsse.preAuthEncoding(IN_TOTO, payload));
  // sigstore-go names keys so: SHA-256 of the SPKI, in base64.
  const hint = Buffer.from(digestHex(signer.publicKey.fingerprint), 'hex').toString('base64');
  return {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint } },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: IN_TOTO,
      signatures: [{ sig: signature.toString('base64') }],
    },
  };
}

function content(mediaType: string, bytes: Buffer): SignedContent {
  return { mediaType, digest: digestOf(bytes), bytes };
}

function describe({ mediaType, digest, bytes }: SignedContent) {
  return { mediaType, digest, size: bytes.length };
}

function timeText(time: number): string {
  return new Date(time).toISOString();
}
