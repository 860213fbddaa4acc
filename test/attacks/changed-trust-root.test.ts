/**
 * An authority was broken into and is taken out of the trust root. What its certificates admitted yesterday must not be
 * served from memory today: a decision names the root that it was made with, and under another one it is none.
 */
import t from 'tap';
import { createSigstore } from '../helpers/sigstore/sigstore.ts';
import { about, bundle, openKeyless, requirement } from './keyless.ts';

t.test('an admitted image under a root without what vouched for it', async (t) => {
  const sigstore = createSigstore();
  const other = createSigstore();
  const { certificateAuthorities, transparencyLogs, certificateLogs } = other.authorities();
  const without = {
    'the authority': [{ certificateAuthorities }, /signed by someone else/],
    'the transparency log': [{ transparencyLogs }, /403 DENIED/],
    'the certificate log': [{ certificateLogs }, /no certificate log: 1 required/],
  } as const;
  const rule = { name: 'releases', match: ['lab.local/**'], require: requirement() };
  const { proxy, put, pull } = await openKeyless(t, { sigstore, policies: [rule] });
  const image = put(
    'image',
    bundle((image) => sigstore.signEnvelope(about(image), sigstore.withLog2)),
  );
  t.equal(await pull(image), '200');
  for (const [what, [changes, sentence]] of Object.entries(without)) {
    proxy.reload([rule], [sigstore.root('sigstore', changes)]);
    const answer = await pull(image);
    t.match(answer, /^403 DENIED/, `without ${what}`);
    t.match(answer, sentence, `without ${what}`);
    proxy.reload([rule], [sigstore.root()]);
    t.equal(await pull(image), '200', `with ${what} again`);
  }
});
