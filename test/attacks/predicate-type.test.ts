/**
 * CVE-2022-35929 (cosign), CVE-2022-35930 (policy-controller): an attestation by the right key was taken for what the
 * policy asked for although it was one of another predicate type. A build system signs provenance and SBOMs of every
 * image it builds with the release key, the ones that never passed review included; a signature is something else.
 */
import t from 'tap';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { dsseBundle, putBundle, SIGN_PREDICATE, statement } from '../helpers/signer.ts';

const predicates = [
  'https://slsa.dev/provenance/v1',
  'https://slsa.dev/provenance/v0.2',
  'https://spdx.dev/Document',
  'https://cyclonedx.org/bom',
  'https://cosign.sigstore.dev/attestation/v1',
  `${SIGN_PREDICATE}/`,
  SIGN_PREDICATE.toUpperCase(),
  `${SIGN_PREDICATE}0`,
  '',
];

for (const predicate of predicates) {
  t.test(
    `an attestation ${JSON.stringify(predicate)} by the trusted key is no signature`,
    async (t) => {
      const { registry, signer, image, get } = await openLab(t, {
        registry: { referrersApi: true },
      });
      const evil = image('evil', { tag: 'evil' });
      const about = statement([{ digest: { sha256: evil.digest.slice(7) } }], predicate);
      putBundle(registry, TEAM, evil, dsseBundle(signer, about));
      const answer = await get('manifests/evil');
      t.equal(told(answer), '403 DENIED');
      t.match(answer.error?.message, /found an attestation only|expected a predicate type/);
    },
  );
}

t.test(
  'a payload that is no in-toto statement is no signature, though the key signed it',
  async (t) => {
    const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
    const evil = image('evil', { tag: 'evil' });
    const subject = [{ digest: { sha256: evil.digest.slice(7) } }];
    const about = { predicateType: SIGN_PREDICATE, subject };
    for (const type of [undefined, 'https://in-toto.io/Statement/v2', 1]) {
      const payload = Buffer.from(JSON.stringify({ ...about, _type: type }));
      putBundle(registry, TEAM, evil, dsseBundle(signer, payload));
    }
    t.equal(told(await get('manifests/evil')), '403 DENIED');
  },
);

t.test('an attestation beside a signature does no harm', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const good = image('good', { tag: 'good' });
  const subject = [{ digest: { sha256: good.digest.slice(7) } }];
  putBundle(
    registry,
    TEAM,
    good,
    dsseBundle(signer, statement(subject, 'https://spdx.dev/Document')),
  );
  putBundle(registry, TEAM, good, dsseBundle(signer, statement(subject)));
  t.equal(told(await get('manifests/good')), '200');
});
