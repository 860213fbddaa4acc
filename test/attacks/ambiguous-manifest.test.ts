/**
 * CVE-2021-41190: a document that is an image to one reader and an index to another has one digest and one signature,
 * and two contents. The same trick works with a member named twice (the first wins here, the last there) and with names
 * that only Go's JSON reader, which ignores case, takes for `layers`.
 *
 * What clients could understand in two ways is refused, though the trusted key signed it.
 */
import t from 'tap';
import { DOCKER_LIST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { cosign2, digestOfText } from '../helpers/signer.ts';

const blob = { mediaType: 'application/octet-stream', digest: digestOfText('blob'), size: 4 };
const child = { mediaType: OCI_MANIFEST, digest: digestOfText('child'), size: 5 };
const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: blob, layers: [blob] };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] };
const text = JSON.stringify(image);
const twice = (name: string, value: unknown): string =>
  text.replace(/\}$/, `,${JSON.stringify(name)}:${JSON.stringify(value)}}`);

interface Case {
  readonly manifest: object | string;
  /** The upstream's Content-Type, where it is not the one that the document claims. */
  readonly mediaType?: string;
}

const cases: Readonly<Record<string, Case>> = {
  'both layers and manifests, as an image': { manifest: { ...image, manifests: [child] } },
  'both layers and manifests, as an index': { manifest: { ...index, layers: [blob] } },
  'an empty list of manifests beside layers': { manifest: { ...image, manifests: [] } },
  'a config in an index': { manifest: { ...index, config: blob } },
  'both, and no mediaType': {
    manifest: { schemaVersion: 2, config: blob, layers: [blob], manifests: [child] },
  },
  'a content type that contradicts mediaType': { manifest: image, mediaType: OCI_INDEX },
  'an index under the content type of an image': { manifest: index, mediaType: OCI_MANIFEST },
  'the other format of index': { manifest: index, mediaType: DOCKER_LIST },
  'layers twice': { manifest: twice('layers', []) },
  'layers twice, once escaped': {
    manifest: twice('layers', []).replace(/"layers":\[\]\}$/, '"\\u006cayers":[]}'),
  },
  'a look-alike "Layers"': { manifest: twice('Layers', [child]) },
  'a look-alike "LAYERS"': { manifest: twice('LAYERS', [child]) },
  'a look-alike "layerſ", which Go folds to an s': { manifest: twice('layerſ', [child]) },
  'a look-alike "Manifests"': { manifest: twice('Manifests', [child]) },
  'a look-alike "MediaType"': { manifest: twice('MediaType', OCI_INDEX) },
  'a look-alike "Digest" in a layer': {
    manifest: { ...image, layers: [{ ...blob, Digest: child.digest }] },
  },
  'one layer with two sizes': { manifest: { ...image, layers: [blob, { ...blob, size: 5 }] } },
  'a digest of the wrong shape': {
    manifest: { ...image, layers: [{ ...blob, digest: 'sha256:../../etc/passwd' }] },
  },
  'a digest in upper case': {
    manifest: { ...image, layers: [{ ...blob, digest: blob.digest.toUpperCase() }] },
  },
  'a negative size': { manifest: { ...image, layers: [{ ...blob, size: -1 }] } },
  'schema version 1': { manifest: { ...image, schemaVersion: 1 } },
  'the signatures of schema version 1': { manifest: { ...image, signatures: [] } },
  'a byte order mark': { manifest: `\u{feff}${text}` },
  'a second document after the first': { manifest: `${text}${text}` },
};

for (const [what, { manifest, mediaType }] of Object.entries(cases)) {
  t.test(`a signed manifest with ${what} is refused`, async (t) => {
    const { registry, signer, get, head } = await openLab(t);
    const { digest } = registry.putManifest(TEAM, manifest, {
      tag: 'v1',
      ...(mediaType === undefined ? {} : { mediaType }),
    });
    cosign2(registry, TEAM, digest, signer);
    const answer = await get('manifests/v1');
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, 'the manifest is not acceptable');
    t.equal((await head(`manifests/${digest}`)).status, 403);
    t.equal(told(await get(`blobs/${blob.digest}`)), '403 DENIED', 'it grants nothing');
  });
}

t.test('the plain document of each kind is served', async (t) => {
  const { registry, signer, get } = await openLab(t);
  for (const [tag, manifest] of Object.entries({ image, index })) {
    const { digest } = registry.putManifest(TEAM, manifest, { tag });
    cosign2(registry, TEAM, digest, signer);
    t.equal(told(await get(`manifests/${tag}`)), '200');
  }
});
