/** Notation as discovery meets it: whatever was found, there is an outcome. */
import fc from 'fast-check';
import t from 'tap';
import { parseManifest, type Manifest } from '../../../src/oci/manifest.ts';
import { verifyNotation } from '../../../src/verify/notation/verifier.ts';
import { issueSigner, NOTATION_TIME, rootOfStores } from '../../helpers/notation/certificate.ts';
import { signatureManifest, type ManifestOptions } from '../../helpers/notation/manifest.ts';
import { signCose, signJws } from '../../helpers/notation/signed.ts';
import { target } from './target.ts';

const signer = issueSigner();
const root = rootOfStores({ ca: [signer] });
const manifestOf = (envelope: Buffer, options: ManifestOptions = {}): Manifest =>
  parseManifest(Buffer.from(JSON.stringify(signatureManifest(envelope, target, options))), '');
const verify = (content: Buffer, options: ManifestOptions = {}) =>
  verifyNotation({ manifest: manifestOf(content, options), content }, target, root, {
    now: NOTATION_TIME,
  });

t.test('a sound signature in a sound manifest is verified', async (t) => {
  t.match(await verify(signJws(signer, target)), {
    outcome: 'verified',
    facts: { envelope: 'jws', authenticity: { ok: true } },
  });
  const cose = await verify(signCose(signer, target), { envelopeType: 'application/cose' });
  t.match(cose, { outcome: 'verified', facts: { envelope: 'cose' } });
});

t.test('the layer’s type says how the envelope is read', async (t) => {
  const crossed = await verify(signJws(signer, target), { envelopeType: 'application/cose' });
  t.match(crossed, { outcome: 'rejected', reason: /./ });
});

t.test('a manifest that does not keep to the form carries nothing', async (t) => {
  const envelope = signJws(signer, target);
  const unbound = await verify(envelope, { changes: { subject: undefined } });
  t.match(unbound, { outcome: 'rejected', reason: /with a subject/ });
});

t.test('any content has an outcome', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('application/jose+json', 'application/cose'),
      async (bytes, envelopeType) => {
        t.match(await verify(Buffer.from(bytes), { envelopeType }), { outcome: 'rejected' });
      },
    ),
    { numRuns: 100 },
  );
});

t.test('what goes wrong inside is no reason to fall over', async (t) => {
  const content = signJws(signer, target);
  const broken = { now: NOTATION_TIME, revocation: () => Promise.reject(new Error('broken')) };
  t.match(await verifyNotation({ manifest: manifestOf(content), content }, target, root, broken), {
    outcome: 'rejected',
    reason: 'the signature could not be read',
  });
});
