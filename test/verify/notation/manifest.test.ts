/** Signature manifests: two forms, one layer, and the subject that is asked about. */
import t from 'tap';
import { parseManifest, type Manifest } from '../../../src/oci/manifest.ts';
import {
  DOCKER_MANIFEST,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../src/oci/media-type.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { claimsNotation, requireEnvelopeLayer } from '../../../src/verify/notation/manifest.ts';
import {
  NOTATION_TYPE,
  signatureManifest,
  type ManifestOptions,
} from '../../helpers/notation/manifest.ts';
import { refuses, target } from './target.ts';

const envelope = Buffer.from('an envelope');
const parse = (options: ManifestOptions = {}): Manifest =>
  parseManifest(Buffer.from(JSON.stringify(signatureManifest(envelope, target, options))), '');
const layer = {
  mediaType: 'application/jose+json',
  digest: digestOf(envelope),
  size: envelope.length,
};

t.test('reads both forms with both envelopes', async (t) => {
  for (const legacy of [false, true]) {
    for (const envelopeType of ['application/jose+json', 'application/cose']) {
      const manifest = parse({ legacy, envelopeType });
      t.ok(claimsNotation(manifest));
      t.strictSame(requireEnvelopeLayer(manifest, target), { ...layer, mediaType: envelopeType });
    }
  }
});

const config = { digest: digestOf(Buffer.from('{}')), size: 2 };
const refused: readonly (readonly [what: string, options: ManifestOptions, message: RegExp])[] = [
  ['no layer', { changes: { layers: [] } }, /expected 1 layer .*, got 0/],
  ['two layers', { changes: { layers: [layer, layer] } }, /expected 1 layer .*, got 2/],
  ['a layer of another type', { envelopeType: 'application/json' }, /got application\/json/],
  ['no subject', { changes: { subject: undefined } }, /with a subject/],
  [
    'a subject of another digest',
    { changes: { subject: { ...target, digest: digestOf(envelope) } } },
    /its subject is sha256:.*, not this image/,
  ],
  ['a subject of another size', { changes: { subject: { ...target, size: 9 } } }, /9 bytes/],
  [
    'a subject of another type',
    { changes: { subject: { ...target, mediaType: OCI_INDEX } } },
    /its subject is a .*index/,
  ],
  [
    'an artifact type with a config of one',
    { changes: { config: { ...config, mediaType: NOTATION_TYPE } } },
    /expected a signature manifest, got artifact type application\/vnd\.cncf\.notary\.signature with/,
  ],
  [
    'another artifact type over a config of a signature',
    { legacy: true, changes: { artifactType: 'application/vnd.example' } },
    /got artifact type application\/vnd\.example/,
  ],
  [
    'an empty config without an artifact type',
    { changes: { artifactType: undefined } },
    /got artifact type none with config application\/vnd\.oci\.empty/,
  ],
  ['a manifest of Docker', { changes: { mediaType: DOCKER_MANIFEST } }, /got .*docker/],
];
for (const [what, options, message] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    refuses(t, () => requireEnvelopeLayer(parse(options), target), message);
  });
}

t.test('refuses an index', async (t) => {
  const index = parseManifest(Buffer.from('{"schemaVersion":2,"manifests":[]}'), OCI_INDEX);
  t.notOk(claimsNotation(index));
  refuses(t, () => requireEnvelopeLayer(index, target), /expected a signature in an/);
});

t.test('what claims to be a signature is told from what does not', async (t) => {
  t.ok(claimsNotation(parse({ changes: { layers: [] } })));
  const plain = parse({ changes: { artifactType: 'application/vnd.example' } });
  t.notOk(claimsNotation(plain));
  t.match(plain, { mediaType: OCI_MANIFEST, config: { mediaType: OCI_EMPTY } });
});
