/**
 * A rule in CEL runs over what a signer wrote, and a loop in a loop over a long list takes hours. Whoever signs with the
 * right identity, or has got hold of it for a moment, stops the proxy with one attestation. A rule has a budget; where
 * it ends the attestation is refused, and the proxy goes on.
 */
import t from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import { bundle, openKeyless, requirement } from './keyless.ts';

const type = 'https://acme.test/list/v1';
const RULES = [
  'predicate.list.all(a, predicate.list.all(b, predicate.list.all(c, a + b + c >= 0)))',
  'predicate.list.map(a, predicate.list.map(b, a + b)).size() > 0',
];

for (const rule of RULES) {
  t.test(`a long list under ${rule}`, { timeout: 300_000 }, async (t) => {
    const require = { attestation: { type, by: requirement(), rule } };
    const { sigstore, put, pull } = await openKeyless(t, { require });
    const listing = (length: number) =>
      bundle(({ digest }) => {
        const statement = {
          _type: 'https://in-toto.io/Statement/v1',
          subject: [{ digest: { sha256: digestHex(digest) } }],
          predicateType: type,
          predicate: { list: Array.from({ length }, (_, index) => index) },
        };
        return sigstore.signEnvelope(Buffer.from(JSON.stringify(statement)));
      });
    t.equal(await pull(put('short', listing(5))), '200');
    const start = performance.now();
    const bomb = put('long', listing(20_000));
    t.match(await pull(bomb), /^403 DENIED .*too costly for this statement/);
    t.ok(performance.now() - start < 60_000, 'within a minute');
    t.equal(await pull(put('both', listing(20_000), listing(5))), '200', 'and the proxy goes on');
  });
}
