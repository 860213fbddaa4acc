/** What the attacks on identities start from: a lab whose rule demands a workflow of GitHub, and a Sigstore that certifies it. */
import type { Test } from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import type { RequirementSpec, SigstoreSpec } from '../../src/policy/requirement-spec.ts';
import type { PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { simplePayload, statement } from '../helpers/signer.ts';
import type { BundleOptions } from '../helpers/sigstore/bundle.ts';
import {
  attestationLayer,
  putBundleOf,
  putTagged,
  simpleLayer,
} from '../helpers/sigstore/layers.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../helpers/sigstore/leaf.ts';
import type { SignedEnvelope, SignedMessage } from '../helpers/sigstore/signed.ts';
import { createSigstore, SIGSTORE_TIME, type Sigstore } from '../helpers/sigstore/sigstore.ts';

export const IDENTITY = { issuer: GITHUB_ISSUER, subject: WORKFLOW };

export interface KeylessOptions extends LabOptions {
  readonly sigstore?: Sigstore;
  /** Laid over the requirement of the identity. */
  readonly spec?: Partial<SigstoreSpec>;
  /** In the place of the requirement. */
  readonly require?: RequirementSpec;
}

export interface Keyless extends Lab {
  readonly sigstore: Sigstore;
  /** An image of this name, with what is put beside it. */
  readonly put: (name: string, ...beside: readonly Beside[]) => PutImage;
  /** Status and code of a pull by digest, with the message of a refusal. */
  readonly pull: (image: PutImage) => Promise<string>;
}

/** Puts something beside an image. */
export type Beside = (lab: Pick<Lab, 'registry'>, image: PutImage) => unknown;

export function requirement(spec: Partial<SigstoreSpec> = {}): { readonly sigstore: SigstoreSpec } {
  return { sigstore: { trustRoot: 'sigstore', identities: [IDENTITY], ...spec } };
}

export async function openKeyless(t: Test, options: KeylessOptions = {}): Promise<Keyless> {
  const { sigstore = createSigstore(), spec, require, ...rest } = options;
  const lab = await openLab(t, {
    rule: { require: require ?? requirement(spec) },
    registry: { referrersApi: true },
    trustRoots: [sigstore.root()],
    ...rest,
  });
  lab.proxy.now = SIGSTORE_TIME;
  return {
    ...lab,
    sigstore,
    put(name, ...beside) {
      const image = lab.image(name);
      for (const put of beside) put(lab, image);
      return image;
    },
    async pull({ digest }) {
      const answer = await lab.get(`manifests/${digest}`);
      return [told(answer), answer.error?.message ?? ''].join(' ').trim();
    },
  };
}

/** The statement that a bundle about the image signs. */
export function about(image: Pick<PutImage, 'digest'>, predicateType?: string): Buffer {
  return statement([{ digest: { sha256: digestHex(image.digest) } }], predicateType);
}

export type Changes = Readonly<Record<string, string | undefined>>;

/** A `.sig`. */
export function sig(
  sign: (payload: Buffer) => SignedMessage,
  changes: Changes | ((signed: SignedMessage) => Changes) = {},
): Beside {
  return ({ registry }, { digest }) => {
    const signed = sign(simplePayload(digest));
    const changed = typeof changes === 'function' ? changes(signed) : changes;
    return putTagged(registry, TEAM, digest, 'sig', simpleLayer(signed, changed));
  };
}

/** An `.att`. */
export function att(sign: (image: PutImage) => SignedEnvelope): Beside {
  return ({ registry }, image) =>
    putTagged(registry, TEAM, image.digest, 'att', attestationLayer(sign(image)));
}

/** A bundle as a referrer. */
export function bundle(
  sign: (image: PutImage) => SignedMessage | SignedEnvelope,
  options: BundleOptions = {},
): Beside {
  return ({ registry }, image) => putBundleOf(registry, TEAM, image, sign(image), options);
}
