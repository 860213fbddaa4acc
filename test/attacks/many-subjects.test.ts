/**
 * One statement may name many subjects, and a stranger's names ten thousand, to keep a verifier busy or to hide that it
 * is about everything. It is refused by its number, wherever among them the image stands, and a good signature beside
 * it still admits.
 */
import t from 'tap';
import { digestHex } from '../../src/oci/digest.ts';
import { statement } from '../helpers/signer.ts';
import { about, bundle, openKeyless } from './keyless.ts';

t.test('ten thousand subjects', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const naming = (count: number, name: string) =>
    bundle((image) => {
      const others = Array.from({ length: count - 1 }, (_, index) => ({
        name,
        digest: { sha256: index.toString(16).padStart(64, '0') },
      }));
      const own = { digest: { sha256: digestHex(image.digest) } };
      return sigstore.signEnvelope(statement([own, ...others]));
    });
  t.equal(await pull(put('a thousand', naming(1000, ''))), '200');
  const many = naming(10_000, '');
  t.match(await pull(put('ten thousand', many)), /^403 DENIED .*the bound is 1048576/);
  const beyond = naming(1025, '');
  t.match(await pull(put('1025', beyond)), /^403 DENIED .*signature invalid.*1 to 1024 subjects/);
  const good = bundle((image) => sigstore.signEnvelope(about(image)));
  t.equal(await pull(put('many and a good one', many, good)), '200');
});
