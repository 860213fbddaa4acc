/** Verdicts that end: what rests on a certificate without a proven time is decided anew when its time is over. */
import t from 'tap';
import { putImage, putIndex } from '../helpers/image.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { putTagged, simpleLayer } from '../helpers/sigstore/layers.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../helpers/sigstore/leaf.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { simplePayload } from '../helpers/signer.ts';

t.test('a certificate without a proven time admits while it is valid, its index too', async (t) => {
  const sigstore = createSigstore();
  const notAfter = SIGSTORE_TIME + 600_000;
  const lab = await openLab(t, {
    trustRoots: [sigstore.root()],
    rule: {
      require: {
        sigstore: {
          trustRoot: 'sigstore',
          identities: [{ issuer: GITHUB_ISSUER, subject: WORKFLOW }],
          transparencyLog: 0,
          timestamps: 0,
        },
      },
    },
  });
  lab.proxy.now = SIGSTORE_TIME;
  const child = putImage(lab.registry, TEAM, 'child');
  const index = putIndex(lab.registry, TEAM, [child], { tag: 'v1' });
  const signed = sigstore.signMessage(simplePayload(index.digest), {
    by: sigstore.leaf({ notAfter }),
    logs: [],
  });
  putTagged(lab.registry, TEAM, index.digest, 'sig', simpleLayer(signed));
  t.equal(told(await lab.get(`manifests/${index.digest}`)), '200');
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
  lab.proxy.now = notAfter - 1000;
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
  lab.proxy.now = notAfter + 1000;
  const answer = await lab.get(`manifests/${index.digest}`);
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /valid from|expired|is valid/);
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '403 DENIED', 'nor its child');
});
