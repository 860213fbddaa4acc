/**
 * A descriptor may carry its content inline (`data`, image-spec descriptor.md), and containerd then asks nobody for it;
 * or it may name other places to fetch it from (`urls`). In a signed manifest both are signed. In an attachment, which
 * anyone can push, they are a way past the proxy: a referrers index whose child manifest, config and layers are all
 * inline is a runnable image that no request ever asked for.
 *
 * An attachment brings nothing along but the two bytes of the empty descriptor, and sends nobody elsewhere.
 */
import t from 'tap';
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { digestOfText, SIMPLE_LAYER } from '../helpers/signer.ts';
import type { Digest } from '../../src/oci/digest.ts';

const TEXT = '{"inline":true}';
const inline = { data: Buffer.from(TEXT).toString('base64') };
const elsewhere = { urls: ['https://evil.test/layer.tar'] };
const layer = { mediaType: SIMPLE_LAYER, digest: digestOfText(TEXT), size: TEXT.length };
const empty = { mediaType: OCI_EMPTY, digest: digestOfText('{}'), size: 2 };
const child = { mediaType: OCI_MANIFEST, digest: digestOfText(TEXT), size: TEXT.length };

function attachment(changes: object): object {
  return { schemaVersion: 2, mediaType: OCI_MANIFEST, config: empty, layers: [layer], ...changes };
}

function index(descriptor: object): object {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor] };
}

/** Puts it under the tag of an admitted image, and gives what the proxy says to the tag and the digest. */
async function ask(
  { registry, signed, get }: Lab,
  make: (subject: Digest) => object,
  suffix: string,
): Promise<string[]> {
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  const tag = `${good.digest.replace(':', '-')}${suffix}`;
  const { digest } = registry.putManifest(TEAM, make(good.digest), { tag });
  return [told(await get(`manifests/${tag}`)), told(await get(`manifests/${digest}`))];
}

for (const [what, member] of Object.entries({ inline, elsewhere })) {
  t.test(`a signature tag whose layer is ${what} is not served`, async (t) => {
    const made = attachment({ layers: [{ ...layer, ...member }] });
    t.strictSame(await ask(await openLab(t), () => made, '.att'), ['403 DENIED', '403 DENIED']);
  });

  t.test(`a signature tag whose config is ${what} is not served`, async (t) => {
    const made = attachment({ config: { ...layer, ...member } });
    t.strictSame(await ask(await openLab(t), () => made, '.att'), ['403 DENIED', '403 DENIED']);
  });

  t.test(`a referrer whose layer is ${what} is not served`, async (t) => {
    const make = (digest: Digest): object =>
      attachment({
        layers: [{ ...layer, ...member }],
        subject: { mediaType: OCI_MANIFEST, digest, size: 1 },
      });
    t.strictSame(await ask(await openLab(t), make, '.att'), ['403 DENIED', '403 DENIED']);
  });

  t.test(`a referrer whose subject is ${what} is not served`, async (t) => {
    const make = (digest: Digest): object =>
      attachment({ subject: { mediaType: OCI_MANIFEST, digest, size: 1, ...member } });
    t.strictSame(await ask(await openLab(t), make, '.att'), ['403 DENIED', '403 DENIED']);
  });

  t.test(`a referrers index whose child is ${what} is not served`, async (t) => {
    const made = index({ ...child, ...member });
    t.strictSame(await ask(await openLab(t), () => made, ''), ['403 DENIED', '403 DENIED']);
  });

  t.test(`a list of referrers never says what is ${what}`, async (t) => {
    const { registry, signed, get } = await openLab(t);
    const good = signed('good', { tag: 'v1' });
    const tag = good.digest.replace(':', '-');
    registry.putManifest(TEAM, index({ ...child, ...member }), { tag });
    const { body } = await get(`referrers/${good.digest}`);
    t.match(JSON.parse(body.toString()), { manifests: [{ digest: child.digest }] });
    t.notMatch(body.toString(), /data|urls/);
  });
}

t.test('the empty descriptor may carry its two bytes', async (t) => {
  const made = attachment({ config: { ...empty, data: 'e30=', urls: [] } });
  t.strictSame(await ask(await openLab(t), () => made, '.att'), ['200', '200']);
});

t.test('an attachment that carries nothing is served, and so is an index of such', async (t) => {
  t.strictSame(await ask(await openLab(t), () => attachment({}), '.att'), ['200', '200']);
  t.strictSame(await ask(await openLab(t), () => index(child), ''), ['200', '200']);
});
