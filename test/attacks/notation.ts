/** What the attacks on Notation start from: a lab whose rule demands one vendor, and an image of its own for each attempt. */
import type { Test } from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import type { NotationSpec } from '../../src/policy/notation-requirement.ts';
import type { NotationRoot } from '../../src/trust/notation-root.ts';
import type { Target } from '../../src/verify/notation/target.ts';
import type { PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { NOTATION_TIME, type Signer } from '../helpers/notation/certificate.ts';
import { putNotation, type ManifestOptions } from '../helpers/notation/manifest.ts';
import {
  signCose,
  signJws,
  type CoseOptions,
  type JwsOptions,
} from '../helpers/notation/signed.ts';

/** Whom {@link openNotation} trusts, among the signers of the root. */
export const VENDOR = 'x509.subject: C=DE, ST=BY, O=Vendor';

/** One signature that is put beside an image. */
export interface Attempt {
  /** Media type of its layer. */
  readonly envelopeType: string;
  readonly over: (target: Target) => Buffer;
  readonly manifest?: (target: Target, envelope: Buffer) => ManifestOptions;
}

export function jws(by: Signer, options: JwsOptions = {}): Attempt {
  return {
    envelopeType: 'application/jose+json',
    over: (target) => signJws(by, target, options),
  };
}

export function cose(by: Signer, options: CoseOptions = {}): Attempt {
  return { envelopeType: 'application/cose', over: (target) => signCose(by, target, options) };
}

export interface NotationOptions extends LabOptions {
  readonly root: NotationRoot;
  /** Laid over the requirement of the vendor. */
  readonly spec?: Partial<NotationSpec>;
  /** What the clock says: milliseconds since the epoch. */
  readonly now?: number;
}

export interface NotationLab extends Lab {
  /** A new image with these signatures beside it. */
  readonly put: (...attempts: readonly Attempt[]) => PutImage;
  /** Status and code of a pull by digest, with the message of a refusal. */
  readonly pull: (image: PutImage) => Promise<string>;
  /** Checks that an image with these signatures alone is served, its layer too. */
  readonly serves: (t: Test, what: string, ...attempts: readonly Attempt[]) => Promise<void>;
  /** Checks that it is denied in these words, and that its layer is. */
  readonly denies: (
    t: Test,
    what: string,
    words: RegExp,
    ...attempts: readonly Attempt[]
  ) => Promise<void>;
}

/** A refusal that names integrity as what fails, in these words. */
export function integrity(words: RegExp): RegExp {
  return new RegExp(`signature invalid; .*: integrity: .*(?:${words.source})`);
}

/** The layer of an envelope, as a signature manifest has it. */
export function layerOf(envelope: Buffer, mediaType = 'application/jose+json') {
  return { mediaType, digest: digestOf(envelope), size: envelope.length };
}

export function targetOf({ digest, size }: PutImage): Target {
  return { mediaType: OCI_MANIFEST, digest, size };
}

/** Opens the lab, with a referrers API unless told. */
export async function openNotation(
  t: Test,
  { root, spec, now = NOTATION_TIME, ...options }: NotationOptions,
): Promise<NotationLab> {
  const notation = { trustRoot: root.name, identities: [VENDOR], ...spec };
  const lab = await openLab(t, {
    registry: { referrersApi: true },
    rule: { require: { notation } },
    trustRoots: [root],
    ...options,
  });
  lab.proxy.now = now;
  let images = 0;

  function put(...attempts: readonly Attempt[]): PutImage {
    images += 1;
    const image = lab.image(`app ${images}`);
    const target = targetOf(image);
    for (const { envelopeType, over, manifest } of attempts) {
      const envelope = over(target);
      const form = { envelopeType, ...manifest?.(target, envelope) };
      putNotation(lab.registry, TEAM, envelope, target, form);
    }
    return image;
  }

  async function pull({ digest }: PutImage): Promise<string> {
    const answer = await lab.get(`manifests/${digest}`);
    if (answer.status === 200 && digestOf(answer.body) !== digest) return 'other bytes';
    return [told(answer), ...(answer.error === undefined ? [] : [answer.error.message])].join(' ');
  }

  async function pullLayer({ layers }: PutImage): Promise<string> {
    return told(await lab.get(`blobs/${layers.join()}`));
  }

  return {
    ...lab,
    put,
    pull,
    async serves(t, what, ...attempts) {
      const image = put(...attempts);
      t.equal(await pull(image), '200', what);
      t.equal(await pullLayer(image), '200', `the layer of ${what}`);
    },
    async denies(t, what, words, ...attempts) {
      const image = put(...attempts);
      const answer = await pull(image);
      t.match(answer, /^403 DENIED /, what);
      t.match(answer, words, what);
      t.equal(await pullLayer(image), '403 DENIED', `the layer of ${what}`);
    },
  };
}
