/**
 * Content that costs its readers far more than its sender: a payload that every key hashes, brackets by the million, an
 * empty layer that is a valid archive of nothing, a config too large to be looked at for what it configures. And words
 * of strangers that a terminal would obey.
 */
import t from 'tap';
import { isAttachment } from '../../src/admission/attachment.ts';
import { verify } from '../../src/cli/verify.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseJson } from '../../src/oci/json.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { parseSimpleSigningPayload } from '../../src/verify/simple-signing/payload.ts';
import { openLab, told } from '../helpers/lab.ts';
import { simplePayload } from '../helpers/signer.ts';

t.test('a signed payload is bounded', async (t) => {
  const digest = digestOf(Buffer.from('image'));
  const padded = (length: number): Buffer => simplePayload(digest, { pad: 'x'.repeat(length) });
  t.equal(parseSimpleSigningPayload(padded(1000)).digest, digest);
  t.throws(() => parseSimpleSigningPayload(padded(128 * 1024)), /payload of at most/);
});

t.test('JSON of more than 65,536 objects and arrays is refused', async (t) => {
  const brackets = (count: number): Buffer => Buffer.from(`[${'[],'.repeat(count)}0]`);
  t.ok(parseJson(brackets(65_000)));
  t.throws(() => parseJson(brackets(65_600)), /objects and arrays/);
});

t.test('an attachment has no empty layer and a small config', async (t) => {
  const digest = digestOf(Buffer.from('content'));
  const shaped = (layerSize: number, configSize: number): boolean => {
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: configSize },
        layers: [
          {
            mediaType: 'application/vnd.in-toto+json',
            digest: digestOf(Buffer.from('layer')),
            size: layerSize,
          },
        ],
      }),
    );
    return isAttachment(parseManifest(bytes, ''), bytes);
  };
  t.equal(shaped(10, 2), true);
  t.equal(shaped(0, 2), false);
  t.equal(shaped(10, 64 * 1024 + 1), false);
});

t.test('a clock that is set back makes no decision last longer', async (t) => {
  const { registry, proxy, signed, image, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  const later = image('two', { tag: 'v1' });
  proxy.now -= 3_600_000;
  t.equal(told(await get('manifests/v1')), '403 DENIED', 'upstream was asked again');
  t.ok(registry.manifest('team/app', later.digest));
});

t.test('verify prints nothing that a terminal obeys', async (t) => {
  const lines: string[] = [];
  const io = { out: (line: string) => lines.push(line), err: (line: string) => lines.push(line) };
  const refusal = {
    outcome: 'refused',
    code: 'not-admitted',
    message: 'no\u001b[2K',
    phrase: 'no',
    reasons: ['\u001b[32mADMITTED\u009b'],
    source: 'fresh',
  } as const;
  const verifier = {
    defaultRegistry: undefined,
    isRegistry: () => true,
    decide: async () => ({ decision: refusal, requires: undefined, manifest: undefined }),
  };
  for (const json of [false, true]) await verify('lab.local/a:v1', verifier, { json }, io);
  t.match(lines.join('\n'), /ADMITTED/);
  t.notMatch(lines.join(''), /(?![\t\n])\p{Cc}|\\u001b/u);
});
