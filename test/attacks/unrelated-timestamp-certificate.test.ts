/**
 * A timestamp token carries certificates of its own. A verifier that takes the first of them for the signer's, or that
 * checks the chain of one and the signature with another, believes whoever embeds an honest authority's certificate
 * (CVE-2026-39984). The signer has to be the authority's certificate of the trust root: what is embedded changes nothing.
 */
import t from 'tap';
import { SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { createTimestampAuthority } from '../helpers/sigstore/timestamp-authority.ts';
import type { StampOptions } from '../helpers/sigstore/timestamp-authority.ts';
import { about, bundle, openKeyless } from './keyless.ts';

t.test('a token by a stranger with the certificate of a known authority', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const { timestampAuthority: known, log2 } = sigstore;
  const stranger = createTimestampAuthority({ clock: () => SIGSTORE_TIME });
  const [own] = known.chain;
  const [theirs] = stranger.chain;
  if (own === undefined || theirs === undefined) throw new Error('expected chains');
  const by = sigstore.leaf();
  const stamped = (authority: typeof known, stamp: StampOptions = {}) =>
    bundle((image) =>
      sigstore.signEnvelope(about(image), {
        by,
        logs: [log2],
        timestampAuthorities: [authority],
        stamp,
      }),
    );
  t.equal(await pull(put('good', stamped(known))), '200');
  t.equal(await pull(put('good without certificates', stamped(known, { embed: [] }))), '200');

  t.match(await pull(put('a stranger', stamped(stranger))), /^403 DENIED .*no proven time/);
  const lies: Readonly<Record<string, StampOptions>> = {
    'embeds the known one': { embed: [own] },
    'embeds both': { embed: [own, theirs] },
    'embeds the other way round': { embed: [theirs, own] },
    'names the known one': { claim: own },
    'names and embeds the known one': { claim: own, embed: [own] },
    'names the known one and embeds both': { claim: own, embed: [own, theirs] },
    'names nobody': { signingCertificate: false, embed: [own] },
    'embeds the whole known chain': { embed: [...known.chain] },
  };
  for (const [what, lie] of Object.entries(lies)) {
    t.match(
      await pull(put(what, stamped(stranger, lie))),
      /^403 DENIED .*(no proven time|timestamp)/,
      what,
    );
  }
  const claimed = put('a known token that names another', stamped(known, { claim: theirs }));
  t.match(await pull(claimed), /^403 DENIED .*(no proven time|timestamp)/);
});
