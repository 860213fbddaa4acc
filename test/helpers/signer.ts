/** Signatures as cosign makes them, and as it never would: `.sig` tags and bundle referrers on a fake registry. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { constants } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import { publicKeysRoot, type PublicKeysRoot } from '../../src/trust/trust-root.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import type { FakeContent } from './fake-registry-content.ts';

export type SignerKind = 'p256' | 'p384' | 'p521' | 'rsa' | 'rsa-pss' | 'ed25519';

/** A throwaway key. */
export interface Signer {
  readonly publicPem: string;
  readonly privateKey: KeyObject;
  sign(data: Uint8Array): Buffer;
}

export function createSigner(kind: SignerKind = 'p256'): Signer {
  const { publicKey, privateKey } = keyPair(kind);
  const hashes = {
    p256: 'sha256',
    p384: 'sha384',
    p521: 'sha512',
    rsa: 'sha256',
    'rsa-pss': 'sha256',
    ed25519: null,
  };
  return {
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey,
    sign: (data) =>
      kind === 'rsa-pss'
        ? sign('sha256', data, {
            key: privateKey,
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: 32,
          })
        : sign(hashes[kind], data, privateKey),
  };
}

function keyPair(kind: SignerKind): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' });
    case 'rsa':
    case 'rsa-pss':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
  }
}

/** A trust root of these signers' keys. */
export function rootOf(name: string, ...signers: readonly Signer[]): PublicKeysRoot {
  return publicKeysRoot(
    name,
    signers.flatMap((signer, index) => parsePublicKeys(signer.publicPem, `key${index + 1}.pub`)),
  );
}

/** The payload that cosign 2 signs; members of `critical` can be replaced to make it lie. */
export function simplePayload(digest: string, critical: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': 'registry.test/team/app' },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
        ...critical,
      },
      optional: null,
    }),
  );
}

export const SIMPLE_LAYER = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

export interface SimpleLayer {
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** Puts a `.sig` tag with one layer for each signature. */
export function putSigTag(
  registry: FakeContent,
  repository: string,
  subject: Digest,
  layers: readonly SimpleLayer[],
): Digest {
  const config = registry.putBlob(repository, Buffer.from('{"rootfs":{"type":"layers"}}'));
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 28 },
    layers: layers.map(({ payload, signature }) => ({
      mediaType: SIMPLE_LAYER,
      digest: registry.putBlob(repository, payload),
      size: payload.length,
      annotations: { 'dev.cosignproject.cosign/signature': signature.toString('base64') },
    })),
  };
  const tag = `${subject.replace(':', '-')}.sig`;
  return registry.putManifest(repository, manifest, { tag }).digest;
}

/** `cosign sign` of version 2. */
export function cosign2(
  registry: FakeContent,
  repository: string,
  subject: Digest,
  ...signers: readonly Signer[]
): Digest {
  const payload = simplePayload(subject);
  return putSigTag(
    registry,
    repository,
    subject,
    signers.map((signer) => ({ payload, signature: signer.sign(payload) })),
  );
}

export function statement(subjects: unknown, predicateType: string = SIGN_PREDICATE): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: subjects,
      predicateType,
      predicate: {},
    }),
  );
}

/** A bundle of version 0.3 with a key hint; `changes` are laid over it. */
export function dsseBundle(signer: Signer, payload: Buffer, changes: object = {}): object {
  const payloadType = 'application/vnd.in-toto+json';
  const sig = signer.sign(dsse.preAuthEncoding(payloadType, payload)).toString('base64');
  return {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint: 'hint' } },
    dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig }] },
    ...changes,
  };
}

/** Puts a referrer that carries a bundle, as cosign 3 does; `changes` are laid over its manifest. */
export function putBundle(
  registry: FakeContent,
  repository: string,
  subject: { readonly digest: Digest; readonly size: number },
  bundle: object,
  changes: object = {},
): Digest {
  const content = Buffer.from(JSON.stringify(bundle));
  const empty = registry.putBlob(repository, Buffer.from('{}'));
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: BUNDLE_TYPE,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: empty, size: 2 },
    layers: [
      {
        mediaType: BUNDLE_TYPE,
        digest: registry.putBlob(repository, content),
        size: content.length,
      },
    ],
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...subject },
    ...changes,
  };
  return registry.putManifest(repository, manifest).digest;
}

/** `cosign sign` of version 3. */
export function cosign3(
  registry: FakeContent,
  repository: string,
  subject: { readonly digest: Digest; readonly size: number },
  signer: Signer,
): Digest {
  const payload = statement([{ digest: { sha256: subject.digest.slice(7) } }]);
  return putBundle(registry, repository, subject, dsseBundle(signer, payload));
}

/** Digest of text, for content that exists nowhere. */
export function digestOfText(text: string): Digest {
  return digestOf(Buffer.from(text));
}
