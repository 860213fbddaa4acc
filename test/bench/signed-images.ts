/** Images that nobody has verified before, signed in each form by a stand-in for Sigstore and by a key. */
import type { Digest } from '../../src/oci/digest.ts';
import type { RequirementSpec } from '../../src/policy/requirement-spec.ts';
import type { TrustRoot } from '../../src/trust/trust-root.ts';
import type { FakeContent } from '../helpers/fake-registry-content.ts';
import { putImage, type PutImage } from '../helpers/image.ts';
import { putBundleOf, putTagged, simpleLayer } from '../helpers/sigstore/layers.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../helpers/sigstore/leaf.ts';
import type { Sigstore } from '../helpers/sigstore/sigstore.ts';
import {
  cosign2,
  cosign3,
  rootOf,
  simplePayload,
  statement,
  type Signer,
} from '../helpers/signer.ts';

export const FORMS = ['key-tag', 'key', 'keyless-tag', 'keyless-v1', 'keyless-v2'] as const;
export type Form = (typeof FORMS)[number];

export const TITLES: Readonly<Record<Form, string>> = {
  'key-tag': 'key, .sig',
  key: 'key, bundle',
  'keyless-tag': 'keyless, .sig, Rekor v1: SET',
  'keyless-v1': 'keyless, bundle, Rekor v1: SET and proof',
  'keyless-v2': 'keyless, bundle, Rekor v2: proof, and RFC 3161 timestamp',
};

export interface SignedImage {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** Who signs, and what says so. */
export interface Signers {
  readonly signer: Signer;
  readonly sigstore: Sigstore;
}

/** Puts the images of one form; each has a manifest, a signer's certificate and a log entry of its own. */
export function putSignedImages(
  registry: FakeContent,
  form: Form,
  count: number,
  signers: Signers,
  repository = `${form}/app`,
): readonly SignedImage[] {
  return Array.from({ length: count }, (_, index) => {
    const tag = `v${index}`;
    const image = putImage(registry, repository, `${form} ${index}`, { tag });
    putSignature(registry, form, repository, image, signers);
    return { repository, tag, digest: image.digest };
  });
}

function putSignature(
  registry: FakeContent,
  form: Form,
  repository: string,
  image: PutImage,
  { signer, sigstore }: Signers,
): void {
  if (form === 'key-tag') cosign2(registry, repository, image.digest, signer);
  else if (form === 'key') cosign3(registry, repository, image, signer);
  else if (form === 'keyless-tag') {
    // Both extensions, as Fulcio writes them: without the older one cosign sees no issuer in a .sig.
    const by = sigstore.leaf({ legacyIssuer: GITHUB_ISSUER });
    const layer = simpleLayer(sigstore.signMessage(simplePayload(image.digest), { by }));
    putTagged(registry, repository, image.digest, 'sig', layer);
  } else {
    const signed = statement([{ digest: { sha256: image.digest.slice('sha256:'.length) } }]);
    const options = form === 'keyless-v2' ? sigstore.withLog2 : {};
    putBundleOf(registry, repository, image, sigstore.signEnvelope(signed, options));
  }
}

/** What the form has to satisfy, in the proxy as in memory. */
export function requirementOf(form: Form): RequirementSpec {
  if (form === 'key-tag' || form === 'key') return { key: { trustRoot: 'key' } };
  const identities = [{ issuer: GITHUB_ISSUER, subject: WORKFLOW }];
  return { sigstore: { trustRoot: 'instance', identities } };
}

export function trustRootsOf({ signer, sigstore }: Signers): ReadonlyMap<string, TrustRoot> {
  const roots = [rootOf('key', signer), sigstore.root('instance')];
  return new Map(roots.map((root) => [root.name, root]));
}
