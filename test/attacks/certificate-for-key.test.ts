/**
 * Anyone gets a certificate from the public Sigstore for their own e-mail address. A bundle with such a certificate is
 * offered where the rule demands a configured key, in the hope that a verifier looks at the material in the bundle
 * rather than at the rule; or certificate and key hint are both there, in either spelling that protobuf JSON allows,
 * in the hope that two readers see different oneofs.
 *
 * A bundle that carries a certificate never satisfies a key, not even when the trusted key made its signature.
 */
import t from 'tap';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { dsseBundle, putBundle, statement } from '../helpers/signer.ts';

const certificate = { rawBytes: Buffer.from('a certificate').toString('base64') };
const publicKey = { hint: 'hint' };

const materials: Readonly<Record<string, object>> = {
  'a certificate': { certificate },
  'a certificate chain': { x509CertificateChain: { certificates: [certificate] } },
  'a certificate chain in snake case': { x509_certificate_chain: { certificates: [certificate] } },
  'a key and a certificate': { publicKey, certificate },
  'a key and a certificate chain': {
    publicKey,
    x509CertificateChain: { certificates: [certificate] },
  },
  'a key and a certificate chain in snake case': {
    publicKey,
    x509_certificate_chain: { certificates: [certificate] },
  },
  'a key in snake case': { public_key: publicKey },
  'a key in both spellings': { publicKey, public_key: publicKey },
  'no material': {},
};

for (const [what, verificationMaterial] of Object.entries(materials)) {
  t.test(`a bundle with ${what} by the trusted key satisfies no key`, async (t) => {
    const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
    const evil = image('evil', { tag: 'evil' });
    const about = statement([{ digest: { sha256: evil.digest.slice(7) } }]);
    putBundle(registry, TEAM, evil, dsseBundle(signer, about, { verificationMaterial }));
    const answer = await get('manifests/evil');
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, /signature invalid|signed by someone else/);
  });
}

t.test('the refusal says that there were two', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const evil = image('evil', { tag: 'evil' });
  const about = statement([{ digest: { sha256: evil.digest.slice(7) } }]);
  const verificationMaterial = { publicKey, certificate };
  putBundle(registry, TEAM, evil, dsseBundle(signer, about, { verificationMaterial }));
  const answer = await get('manifests/evil');
  t.match(answer.error?.message, 'expected one of publicKey, certificate, x509CertificateChain');
});

t.test('the same bundle with the key hint alone is a signature', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const good = image('good', { tag: 'good' });
  const about = statement([{ digest: { sha256: good.digest.slice(7) } }]);
  // Null is how protobuf's JSON may spell what is not there.
  const verificationMaterial = { publicKey, certificate: null };
  putBundle(registry, TEAM, good, dsseBundle(signer, about, { verificationMaterial }));
  t.equal(told(await get('manifests/good')), '200');
});
