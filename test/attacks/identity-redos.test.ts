/**
 * Who signs chooses the names in the certificate, and so what an operator's pattern runs over. With a backtracking
 * matcher one long name and a careless pattern stop the proxy for years. Patterns are RE2's: their time grows with the
 * name and not exponentially.
 */
import t from 'tap';
import { GITHUB_ISSUER } from '../helpers/sigstore/leaf.ts';
import { about, bundle, openKeyless } from './keyless.ts';

const MUCH = 30_000;

t.test('patterns that would never end', { timeout: 300_000 }, async (t) => {
  const catastrophic = ['(a+)+b', '(a|aa)+b', '(a|a?)+b', '([a-z]+)*b', '(.*a){20}b', '(a*)*b'];
  const identities = catastrophic.map((subjectPattern) => ({
    issuer: GITHUB_ISSUER,
    subjectPattern,
  }));
  const { sigstore, put, pull } = await openKeyless(t, { spec: { identities } });
  const by = (uri: string) =>
    bundle((image) =>
      sigstore.signEnvelope(about(image), { by: sigstore.leaf({ names: [{ uri }] }) }),
    );
  t.equal(await pull(put('good', by('aaab'))), '200');
  for (const length of [40, 4000, 12_000]) {
    const start = performance.now();
    const answer = await pull(put(`${length}`, by('a'.repeat(length))));
    t.match(answer, /^403 DENIED .*signed by someone else|^403 DENIED/, `${length} letters`);
    t.ok(performance.now() - start < MUCH, `${length} letters within ${MUCH} ms`);
  }
});
