/**
 * Signatures live in two places, and anyone who can push can fill one of them with junk. cosign looks at `.sig` tags
 * only when there is no bundle, so one junk bundle hides every good `.sig` (a denial of service), and a verifier that
 * stops at the first error is stopped by the first piece of junk.
 *
 * Countersign looks at both places: a bad one hides no good one, and two bad ones make no good one.
 */
import t from 'tap';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import {
  cosign2,
  cosign3,
  dsseBundle,
  putBundle,
  putSigTag,
  simplePayload,
  statement,
} from '../helpers/signer.ts';
import type { PutImage } from '../helpers/image.ts';

type Put = (lab: Lab, image: PutImage) => unknown;

const badSigs: Readonly<Record<string, Put>> = {
  "a stranger's .sig": ({ registry, stranger }, { digest }) =>
    cosign2(registry, TEAM, digest, stranger),
  'a .sig that is no manifest': ({ registry }, { digest }) =>
    registry.putManifest(TEAM, 'junk', { tag: `${digest.replace(':', '-')}.sig` }),
  'a .sig whose payload is missing': ({ registry, signer }, { digest }) => {
    const payload = simplePayload(digest);
    putSigTag(registry, TEAM, digest, [{ payload, signature: signer.sign(payload) }]);
    registry.fault(/^GET .*\/blobs\//, { kind: 'status', status: 404 });
  },
  'a .sig whose payload is edited upstream': ({ registry, signer }, { digest }) => {
    const payload = simplePayload(digest);
    putSigTag(registry, TEAM, digest, [{ payload, signature: signer.sign(payload) }]);
    registry.fault(/^GET .*\/blobs\//, { kind: 'corrupt', at: 3 });
  },
};

const badBundles: Readonly<Record<string, Put>> = {
  "a stranger's bundle": ({ registry, stranger }, image) =>
    cosign3(registry, TEAM, image, stranger),
  'a bundle of null': ({ registry }, image) => putBundle(registry, TEAM, image, [null]),
  'a bundle whose signature is edited': ({ registry, signer }, image) => {
    const about = statement([{ digest: { sha256: image.digest.slice(7) } }]);
    const other = signer.sign(Buffer.from('other')).toString('base64');
    const bundle = dsseBundle(signer, about) as { dsseEnvelope: { signatures: { sig: string }[] } };
    bundle.dsseEnvelope.signatures = [{ sig: other }];
    putBundle(registry, TEAM, image, bundle);
  },
};

for (const [what, put] of Object.entries(badBundles)) {
  t.test(`${what} hides no good .sig`, async (t) => {
    const lab = await openLab(t, { registry: { referrersApi: true } });
    const image = lab.signed('app', { tag: 'v1' });
    put(lab, image);
    t.equal(told(await lab.get('manifests/v1')), '200');
  });
}

for (const what of ["a stranger's .sig", 'a .sig that is no manifest']) {
  t.test(`${what} hides no good bundle`, async (t) => {
    const lab = await openLab(t, { registry: { referrersApi: true } });
    const image = lab.image('app', { tag: 'v1' });
    badSigs[what]?.(lab, image);
    cosign3(lab.registry, TEAM, image, lab.signer);
    t.equal(told(await lab.get('manifests/v1')), '200');
  });
}

for (const [sig, putSig] of Object.entries(badSigs)) {
  for (const [bundle, put] of Object.entries(badBundles)) {
    t.test(`${sig} and ${bundle} make no good one`, async (t) => {
      const lab = await openLab(t, { registry: { referrersApi: true } });
      const image = lab.image('app', { tag: 'v1' });
      putSig(lab, image);
      put(lab, image);
      const answer = await lab.get('manifests/v1');
      t.equal(told(answer), '403 DENIED');
      t.match(answer.error?.message, /signature invalid|signed by someone else/);
    });
  }
}

t.test("a stranger's layer beside a good one in the same .sig hides nothing", async (t) => {
  const { registry, signer, stranger, image, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  cosign2(registry, TEAM, digest, stranger, signer);
  t.equal(told(await get('manifests/v1')), '200');
});
