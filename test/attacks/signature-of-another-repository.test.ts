/**
 * The same image lies in two repositories, and was signed in one of them: for tests, or before it was withdrawn. Whoever
 * can push to the other copies image and signature. A rule that binds signatures to their repository reads for which
 * name they were made, in keyless signatures as in those by keys, and refuses the copy.
 */
import t from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import { TEAM } from '../helpers/lab.ts';
import { simplePayload, statement } from '../helpers/signer.ts';
import { bundle, openKeyless, requirement, sig } from './keyless.ts';

const OWN = `lab.local/${TEAM}`;
const OTHERS = ['lab.local/team/other', `lab.local/${TEAM}-evil`, `evil.local/${TEAM}`, TEAM];

t.test('a signature for another repository', async (t) => {
  const rule = { require: requirement(), signatures: { reference: 'repository' as const } };
  const { sigstore, put, pull } = await openKeyless(t, { rule });
  const beside = (name: string) =>
    sig((payload) => {
      const digest = /sha256:[0-9a-f]{64}/.exec(payload.toString())?.[0] ?? '';
      const identity = { 'docker-reference': name };
      return sigstore.signMessage(simplePayload(digest, { identity }));
    });
  const inBundle = (name: string) =>
    bundle(({ digest }) =>
      sigstore.signEnvelope(statement([{ name, digest: { sha256: digestHex(digest) } }])),
    );
  t.equal(await pull(put('a .sig', beside(OWN))), '200');
  t.equal(await pull(put('a bundle', inBundle(OWN))), '200');
  for (const name of OTHERS) {
    t.match(await pull(put(`.sig for ${name}`, beside(name))), /^403 DENIED/, name);
    t.match(await pull(put(`bundle for ${name}`, inBundle(name))), /^403 DENIED/, name);
  }
});
