/**
 * A DSSE bundle proves that somebody signed a statement; which image it is about, only the statement says. Verifiers
 * that check the signature alone accept the bundle of one image for every other. So is one whose payload is no
 * statement at all, whatever it is called.
 */
import t from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import { about, bundle, openKeyless } from './keyless.ts';

const ELSE = /^403 DENIED .*it is about another artifact, not this image/;

t.test('the bundle of a good image beside another', async (t) => {
  const { sigstore, image, put, pull } = await openKeyless(t);
  const signed = sigstore.signEnvelope(about(image('good')));
  const beside = bundle(() => signed);
  t.equal(await pull(put('good', beside)), '200');
  t.match(await pull(put('evil', beside)), ELSE);
  const message = sigstore.signMessage(Buffer.from('{"schemaVersion":2}'));
  const other = put(
    'of a message',
    bundle(() => message),
  );
  t.match(await pull(other), ELSE);
});

t.test('a payload that only looks like a statement about the image', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const by = sigstore.leaf();
  const as = (payloadType: string) =>
    bundle((image) => sigstore.signEnvelope(about(image), { by, payloadType }));
  const inToto = 'application/vnd.in-toto+json';
  t.equal(await pull(put('good', as(inToto))), '200');
  for (const type of ['application/json', `${inToto}; a=b`, inToto.toUpperCase(), '']) {
    t.match(
      await pull(put(`type ${type}`, as(type))),
      /^403 DENIED .*payload type|^403 DENIED .*payloadType/,
      type,
    );
  }
  const saying = (change: (statement: Record<string, unknown>, hex: string) => object) =>
    bundle((image) => {
      const statement = JSON.parse(about(image).toString()) as Record<string, unknown>;
      const changed = change(statement, digestHex(image.digest));
      return sigstore.signEnvelope(Buffer.from(JSON.stringify(changed)), { by });
    });
  const lies = {
    'no subject': saying((statement) => ({ ...statement, subject: [] })),
    'a null subject': saying((statement) => ({ ...statement, subject: null })),
    'a null among subjects': saying((statement, sha256) => ({
      ...statement,
      subject: [null, { digest: { sha256 } }],
    })),
    'the digest as a name': saying((statement, hex) => ({
      ...statement,
      subject: [{ name: `sha256:${hex}`, digest: { sha256: '0'.repeat(64) } }],
    })),
    'the digest under another algorithm': saying((statement, hex) => ({
      ...statement,
      subject: [{ digest: { sha512: hex } }],
    })),
    'the start of the digest': saying((statement, hex) => ({
      ...statement,
      subject: [{ digest: { sha256: hex.slice(0, 32) } }],
    })),
    'no statement': saying((_, hex) => ({ subject: [{ digest: { sha256: hex } }] })),
  };
  for (const [what, lie] of Object.entries(lies)) {
    t.match(await pull(put(what, lie)), /^403 DENIED .*signature/, what);
  }
});
