/**
 * Signatures are manifests that refer to an image, and a registry or whoever can push says what it likes in them: that a
 * signature has several layers, that it is of another type than the list says, that it refers to the image while its
 * envelope is elsewhere. notation takes the referrers of the registry's list without a look at their `subject`, and an
 * answer under another digest was verified in the place of what was asked for (CVE-2023-33959).
 *
 * Countersign checks form, subject and every digest itself, and does not need the list to say that it is a signature.
 */
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_EMPTY, OCI_INDEX } from '../../src/oci/media-type.ts';
import type { Target } from '../../src/verify/notation/target.ts';
import { TEAM } from '../helpers/lab.ts';
import {
  issueNotationAuthority,
  issueSigner,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import {
  NOTATION_TYPE,
  putNotation,
  signatureManifest,
  type ManifestOptions,
} from '../helpers/notation/manifest.ts';
import { signJws } from '../helpers/notation/signed.ts';
import { cose, jws, layerOf, openNotation, targetOf, type Attempt } from './notation.ts';

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const root = rootOfStores({ ca: [ca] });

const empty = { mediaType: OCI_EMPTY, digest: digestOf(Buffer.from('{}')), size: 2 };
const other = digestOf(Buffer.from('another image'));

type Form = (target: Target, envelope: Buffer) => ManifestOptions;

const formed = (manifest: Form): Attempt => ({ ...jws(vendor), manifest });
const changed = (changes: (target: Target, envelope: Buffer) => object): Attempt =>
  formed((target, envelope) => ({ changes: changes(target, envelope) }));

const honest: Readonly<Record<string, Attempt>> = {
  'of OCI 1.1': jws(vendor),
  'from before it': formed(() => ({ legacy: true })),
  'from before it, with COSE': { ...cose(vendor), manifest: () => ({ legacy: true }) },
  'without annotations': changed(() => ({ annotations: undefined })),
};

const forged: Readonly<Record<string, readonly [attempt: Attempt, words: RegExp]>> = {
  'an artifact type with a config that is not empty': [
    changed(() => ({ config: { ...empty, mediaType: NOTATION_TYPE } })),
    /expected a signature manifest, got artifact type \S+ with config/,
  ],
  'the config of an image': [
    changed(() => ({
      config: { ...empty, mediaType: 'application/vnd.oci.image.config.v1+json' },
    })),
    /expected a signature manifest/,
  ],
  'another artifact type': [
    changed(() => ({ artifactType: 'application/vnd.example.note' })),
    /expected a signature manifest, got artifact type application\/vnd.example.note/,
  ],
  'neither type': [changed(() => ({ artifactType: undefined })), /expected a signature manifest/],
  'another size of its subject': [
    changed((target) => ({ subject: { ...target, size: target.size + 1 } })),
    /its subject is \d+ bytes, this image has \d+/,
  ],
  'another type of its subject': [
    changed((target) => ({ subject: { ...target, mediaType: OCI_INDEX } })),
    /its subject is a \S+, this image is a/,
  ],
  'no layer': [
    changed(() => ({ layers: [] })),
    /signature invalid; .*integrity: expected 1 layer of .*, got no layer/,
  ],
  'its layer twice': [
    changed((_target, envelope) => ({ layers: [layerOf(envelope), layerOf(envelope)] })),
    /expected 1 layer of a signature manifest, got 2/,
  ],
  'a layer of another type beside it': [
    changed((_target, envelope) => ({
      layers: [layerOf(envelope), { ...empty, mediaType: 'text/plain' }],
    })),
    /expected 1 layer of a signature manifest, got 2/,
  ],
  'a layer that is no envelope by its type': [
    changed((_target, envelope) => ({ layers: [layerOf(envelope, 'application/json')] })),
    /signature invalid; .*integrity: expected 1 layer of .*, got application\/json/,
  ],
  'a layer that lies about its size': [
    changed((_target, envelope) => ({
      layers: [{ ...layerOf(envelope), size: envelope.length - 1 }],
    })),
    /expected \d+ bytes, got another number/,
  ],
  'a layer that is not there': [
    changed((_target, envelope) => ({ layers: [{ ...layerOf(envelope), digest: other }] })),
    /its content is missing/,
  ],
};

t.test('a signature manifest of either form is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const [what, attempt] of Object.entries(honest)) await serves(t, what, attempt);
});

t.test('one of another form is not', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, [attempt, words]] of Object.entries(forged)) {
    await denies(t, what, words, attempt);
  }
});

t.test('the list need not say that it is a signature', async (t) => {
  const { put, pull, registry } = await openNotation(t, { root });
  for (const artifactType of [undefined, 'application/vnd.example.note', OCI_EMPTY]) {
    const image = put(jws(vendor));
    const manifests = registry
      .referrers(TEAM, image.digest)
      .map((descriptor) => ({ ...descriptor, artifactType }));
    const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    registry.fault(new RegExp(`referrers/${image.digest}`), { kind: 'replace', body });
    t.equal(await pull(image), '200', artifactType ?? 'none');
  }
});

t.test('other bytes than those of the digest prove nothing', async (t) => {
  const lab = await openNotation(t, { root });
  const { registry, put, pull } = lab;
  const good = put(jws(vendor));
  const bytes = registry.manifest(TEAM, good.digest)?.bytes ?? '';

  const image = put();
  registry.fault(new RegExp(`manifests/${image.digest}`), { kind: 'replace', body: bytes });
  t.match(await pull(image), /^502 DIGEST_INVALID/, 'a signed image in the place of another');

  const target = put();
  const envelope = signJws(vendor, targetOf(target));
  const stranger = issueSigner({ issuer: issueNotationAuthority('root') });
  const listed = putNotation(registry, TEAM, signJws(stranger, targetOf(target)), targetOf(target));
  registry.putBlob(TEAM, envelope);
  const body = JSON.stringify(signatureManifest(envelope, targetOf(target)));
  registry.fault(new RegExp(`manifests/${listed}`), { kind: 'replace', body });
  t.match(
    await pull(target),
    /^403 DENIED .*: expected sha256:\w+, got \d+ bytes that are/,
    'a good signature in the place of another',
  );

  const sealed = put();
  const bad = signJws(stranger, targetOf(sealed));
  putNotation(registry, TEAM, bad, targetOf(sealed));
  registry.fault(new RegExp(`blobs/${digestOf(bad)}`), {
    kind: 'replace',
    body: signJws(vendor, targetOf(sealed)),
  });
  t.match(
    await pull(sealed),
    /^403 DENIED .*: (?:expected \d+ bytes|its content is not what sha256)/,
    'a good envelope in the place of another',
  );
  t.equal(await pull(good), '200');
});
