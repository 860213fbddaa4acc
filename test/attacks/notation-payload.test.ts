/**
 * A signature is about what its payload says, and a verifier that compares the digest alone lets the same bytes be served
 * as something else: notation compares media type, digest and size (signature-specification.md "Payload"). notation-go
 * does so after everything else and reads the payload with Go's decoder, which takes the last of two members and names in
 * any case. And annotations count where they are signed: whoever can push writes those of manifests and of descriptors.
 */
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import type { Target } from '../../src/verify/notation/target.ts';
import { TEAM } from '../helpers/lab.ts';
import {
  issueNotationAuthority,
  issueSigner,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { NOTATION_TYPE, putNotation } from '../helpers/notation/manifest.ts';
import { payloadOf, signCose, signJws, type SignOptions } from '../helpers/notation/signed.ts';
import { cose, integrity, jws, layerOf, openNotation, targetOf, type Attempt } from './notation.ts';

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const root = rootOfStores({ ca: [ca] });

/** A signature whose payload is made of what it should be about. */
const saying =
  (sign: typeof signJws | typeof signCose, envelopeType: string) =>
  (payload: (target: Target) => string | Buffer, options: SignOptions = {}): Attempt => ({
    envelopeType,
    over: (target) => sign(vendor, target, { ...options, payload: Buffer.from(payload(target)) }),
  });
const kinds = [
  saying(signJws, 'application/jose+json'),
  saying(signCose, 'application/cose'),
] as const;

const about =
  (change: Partial<Record<keyof Target, unknown>>) =>
  (target: Target): string =>
    JSON.stringify({ targetArtifact: { ...target, ...change } });
const artifact = (target: Target): string => JSON.stringify(target);
const other = digestOf(Buffer.from('another image'));

const forged: Readonly<
  Record<string, readonly [payload: (target: Target) => string | Buffer, words: RegExp]>
> = {
  'another image': [about({ digest: other }), /it signs sha256:\w+, not this image/],
  'another size': [
    (target) => about({ size: target.size + 1 })(target),
    /it signs \d+ bytes, this image has \d+/,
  ],
  'another media type': [
    about({ mediaType: OCI_INDEX }),
    /it signs a \S+index\S+, this image is a/,
  ],
  'the media type in capitals': [
    (target) => about({ mediaType: target.mediaType.toUpperCase() })(target),
    /it signs a APPLICATION\/\S+, this image is a/,
  ],
  'the digest in capitals': [
    (target) => about({ digest: target.digest.toUpperCase() })(target),
    /expected a sha256 or sha512 digest/,
  ],
  'a size as text': [
    (target) => about({ size: String(target.size) })(target),
    /to be a number of bytes/,
  ],
  'no size': [about({ size: undefined }), /to be a number of bytes/],
  'no media type': [about({ mediaType: undefined }), /expected a descriptor with a media type/],
  'this image in the place of another': [
    (target) =>
      `{"targetArtifact":${artifact({ ...target, digest: other })},"targetArtifact":${artifact(target)}}`,
    /duplicate member/,
  ],
  'this image beside another': [
    (target) =>
      `{"targetArtifact":${artifact(target)},"TargetArtifact":${artifact({ ...target, digest: other })}}`,
    /ambiguous/,
  ],
  'this image in other letters': [
    (target) => `{"TARGETARTIFACT":${artifact(target)}}`,
    /"TARGETARTIFACT" is ambiguous/,
  ],
  'two digests': [
    (target) => `{"targetArtifact":${artifact(target).replace('{', `{"digest":"${other}",`)}}`,
    /duplicate member/,
  ],
  'a list of images': [
    (target) => `{"targetArtifact":[${artifact(target)}]}`,
    /expected a descriptor object/,
  ],
  nothing: [() => '{}', /expected a descriptor object/],
  'what is no JSON': [() => 'image', /expected JSON/],
  'something after the payload': [(target) => `${payloadOf(target).toString()}{}`, /expected JSON/],
  'JSON with a byte order mark': [
    (target) => Buffer.concat([Buffer.from('efbbbf', 'hex'), payloadOf(target)]),
    /expected JSON/,
  ],
  'a number as annotation': [
    (target) => JSON.stringify({ targetArtifact: { ...target, annotations: { stage: 1 } } }),
    /expected annotation "stage" to be a string/,
  ],
};

t.test('a payload about this image is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const sign of kinds) {
    await serves(t, 'as it is', sign(payloadOf));
    await serves(
      t,
      'with blanks',
      sign((target) => JSON.stringify({ targetArtifact: target }, null, 2)),
    );
    await serves(
      t,
      'with annotations',
      sign((target) => payloadOf(target, { stage: 'x' })),
    );
  }
});

t.test('one about anything else is not', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, [payload, words]] of Object.entries(forged)) {
    for (const sign of kinds) await denies(t, what, integrity(words), sign(payload));
  }
});

t.test('a signature of one image is none of another, though a manifest says so', async (t) => {
  const { denies, put, pull, registry } = await openNotation(t, { root });
  const signed = put(jws(vendor));
  t.equal(await pull(signed), '200');
  const copied = signJws(vendor, targetOf(signed));
  const attempt = { envelopeType: 'application/jose+json', over: () => copied };
  await denies(t, 'a copy', /it signs sha256:\w+, not this image/, attempt);
  // The manifest of the signature speaks of the first image, and is listed for the second.
  const victim = put();
  const honest = putNotation(registry, TEAM, copied, targetOf(signed));
  registry.fault(new RegExp(`referrers/${victim.digest}`), {
    kind: 'replace',
    body: JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: honest,
          size: registry.manifest(TEAM, honest)?.bytes.length,
          artifactType: NOTATION_TYPE,
        },
      ],
    }),
  });
  t.match(await pull(victim), /^403 DENIED .*its subject is sha256:\w+, not this image/);
});

t.test('annotations count where they are signed', async (t) => {
  const annotations = { stage: 'production' };
  const { denies, serves } = await openNotation(t, { root, spec: { annotations } });
  const unsigned = { ...jws(vendor), manifest: () => ({ changes: { annotations } }) };
  const inDescriptor: Attempt = {
    ...jws(vendor),
    manifest: (_target, envelope) => ({
      changes: { layers: [{ ...layerOf(envelope), annotations }] },
    }),
  };
  const words = /annotations: expected the signed annotation "stage"/;
  await denies(t, 'no annotation', words, jws(vendor));
  await denies(t, 'those of the manifest', words, unsigned);
  await denies(t, 'those of the layer', words, inDescriptor);
  await denies(t, 'another value', words, cose(vendor, { annotations: { stage: 'test' } }));
  await denies(t, 'capitals', words, jws(vendor, { annotations: { stage: 'Production' } }));
  await denies(t, 'another name', words, jws(vendor, { annotations: { Stage: 'production' } }));
  const beside = (target: Target): string =>
    JSON.stringify({ targetArtifact: target, annotations });
  for (const sign of kinds) await denies(t, 'those beside the target', words, sign(beside));
  const twice = (target: Target): string =>
    payloadOf(target, { stage: 'test' })
      .toString()
      .replace('"stage"', '"stage":"production","stage"');
  for (const sign of kinds) await denies(t, 'two values', /duplicate member/, sign(twice));
  await serves(t, 'signed', jws(vendor, { annotations }));
  await serves(t, 'signed with others', cose(vendor, { annotations: { ...annotations, a: 'b' } }));
});
