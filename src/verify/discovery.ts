/** Where signatures live: `.sig` and `.att` tags, referrers by API or by fallback index, and here. Opens them one by one. */
import { FOUND_UNDER_TAG } from '../oci/annotation.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, digestHex, type Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { isImageType, OCI_EMPTY } from '../oci/media-type.ts';
import {
  MAX_ATTESTATION_CONTENT,
  MAX_CONTENT_PER_PLACE,
  MAX_LAYERS_PER_REFERRER,
  MAX_SIGNATURE_CONTENT,
  MAX_SIGNATURE_MANIFEST,
} from './bounds.ts';
import type { Candidate, Subject } from './candidate.ts';
import { ignored, rejected, tooLarge, type Discovered } from './discovered.ts';
import { claimsNotation, COSE_TYPE, JWS_TYPE, NOTATION_SIGNATURE } from './notation/manifest.ts';
import { bounded, guarded, merged } from './discovery-streams.ts';
import type { SignatureSource, SourceManifest } from './signature-source.ts';

/** What is worth looking for. */
export interface Wanted {
  /** Signatures over the image alone. */
  readonly signatures: boolean;
  /** Statements about it. */
  readonly attestations: boolean;
  /** Whether layers of this media type are worth opening. */
  accepts(mediaType: string): boolean;
}

/**
 * The tag under which cosign looks for what belongs to a digest; suffix '' is the referrers fallback index.
 * distribution-spec "Referrers Tag Schema": 64 characters of the hex are enough, since a tag has no more than 128.
 */
export function attachmentTag(digest: Digest, suffix: '' | '.sig' | '.att'): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}${suffix}`;
}

/** One place while it is looked at. */
interface Look {
  readonly source: SignatureSource;
  readonly wanted: Wanted;
  /** Bytes of content that may still be fetched from this place. */
  left: number;
}

/**
 * Signatures of a digest, lazily, from all places at once: junk or slowness in one hides nothing in the other
 * (cosign itself lets one bundle hide every `.sig`).
 */
export function discover(
  subject: Subject,
  source: SignatureSource,
  wanted: Wanted,
): AsyncGenerator<Discovered> {
  const look = (): Look => ({ source, wanted, left: MAX_CONTENT_PER_PLACE });
  const tagged = [
    ...(wanted.signatures ? (['.sig'] as const) : []),
    ...(wanted.attestations ? (['.att'] as const) : []),
  ].map((suffix) => {
    const tag = attachmentTag(subject.digest, suffix);
    return bounded(`tag ${tag}`, () => inTag(tag, look()));
  });
  return merged([
    // Each in its share, as where it was imported from.
    bounded('what is attached here', () => attachedHere(subject, look(), false)),
    bounded('what was under tags and is attached here', () => attachedHere(subject, look(), true)),
    ...tagged,
    bounded('referrers', () => inReferrers(subject, look())),
  ]);
}

/** Approvals, which come first, and imports: places of their own, which need nobody. */
async function* attachedHere(
  subject: Subject,
  look: Look,
  underTag: boolean,
): AsyncGenerator<Discovered> {
  const listed = (await look.source.findLocal?.(subject.digest)) ?? [];
  const found = listed.filter(
    ({ annotations }) => (annotations?.[FOUND_UNDER_TAG] !== undefined) === underTag,
  );
  for (const descriptor of likelyFirst(found)) {
    const place = `attached here ${descriptor.digest}`;
    yield* guarded(place, () => inReferrer(place, descriptor, subject, look, true));
  }
}

async function* inTag(tag: string, look: Look): AsyncGenerator<Discovered> {
  const answer = await look.source.findTag(tag, MAX_SIGNATURE_MANIFEST);
  if (answer.kind === 'refused') yield rejected(`tag ${tag}`, answer.reason);
  if (answer.kind !== 'found') return;
  const manifest = parsed(answer.value);
  if (typeof manifest === 'string') yield rejected(`tag ${tag}`, manifest);
  else yield* inLayers(`tag ${tag}`, answer.value.digest, manifest, look);
}

async function* inReferrers(subject: Subject, look: Look): AsyncGenerator<Discovered> {
  const { source } = look;
  const listed = await source.findReferrers(subject.digest);
  if (listed.kind === 'refused') yield rejected('referrers', listed.reason);
  let descriptors = listed.kind === 'found' ? listed.value : [];
  if (descriptors.length === 0) {
    // Caches in front of registries answer 200 with an empty list and still hold the fallback index.
    const tag = attachmentTag(subject.digest, '');
    const answer = await source.findTag(tag, MAX_SIGNATURE_MANIFEST);
    if (answer.kind === 'refused') yield rejected(`tag ${tag}`, answer.reason);
    if (answer.kind !== 'found') return;
    const index = parsed(answer.value);
    if (typeof index === 'string' || index.kind !== 'index') {
      yield rejected(`tag ${tag}`, typeof index === 'string' ? index : 'expected an index');
      return;
    }
    descriptors = index.manifests;
  }
  for (const descriptor of likelyFirst(descriptors)) {
    const place = `referrer ${descriptor.digest}`;
    yield* guarded(place, () => inReferrer(place, descriptor, subject, look));
  }
}

/** The artifact type only orders: cosign 3 leaves the empty type in fallback indexes, so filtering would miss it. */
function likelyFirst(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const unlikely = ({ artifactType }: Descriptor): number =>
    artifactType === undefined ||
    artifactType === OCI_EMPTY ||
    artifactType.includes('sigstore') ||
    artifactType === NOTATION_SIGNATURE
      ? 0
      : 1;
  return [...descriptors].sort((a, b) => unlikely(a) - unlikely(b));
}

async function* inReferrer(
  place: string,
  descriptor: Descriptor,
  subject: Subject,
  look: Look,
  fromTag = false,
): AsyncGenerator<Discovered> {
  if (!isImageType(descriptor.mediaType)) {
    yield ignored(place, `it is a ${descriptor.mediaType}`);
    return;
  }
  if (descriptor.size > MAX_SIGNATURE_MANIFEST) {
    yield rejected(place, tooLarge(descriptor.size, MAX_SIGNATURE_MANIFEST));
    return;
  }
  const answer = await look.source.findManifest(descriptor.digest, MAX_SIGNATURE_MANIFEST);
  if (answer.kind !== 'found') {
    yield rejected(
      place,
      answer.kind === 'refused' ? answer.reason : 'the registry lists it and does not have it',
    );
    return;
  }
  const manifest = parsed(answer.value);
  if (typeof manifest === 'string') {
    yield rejected(place, manifest);
  } else if (fromTag && manifest.subject === undefined) {
    // It was found under a tag where it was imported from: what its signers signed names the image, or it does not count.
    yield* inLayers(place, descriptor.digest, manifest, look);
  } else if (manifest.subject?.digest !== subject.digest) {
    // Being listed proves nothing: the registry made the list.
    yield rejected(
      place,
      `its subject is ${manifest.subject?.digest ?? 'missing'}, not this image`,
    );
  } else {
    yield* inLayers(place, descriptor.digest, manifest, look, MAX_LAYERS_PER_REFERRER);
  }
}

async function* inLayers(
  place: string,
  foundIn: Digest,
  manifest: Manifest,
  look: Look,
  maxLayers = Number.POSITIVE_INFINITY,
): AsyncGenerator<Discovered> {
  const all = manifest.kind === 'image' ? manifest.layers : [];
  const layers = all.filter((layer) => look.wanted.accepts(layer.mediaType));
  if (layers.length === 0) {
    const flaw = look.wanted.accepts(JWS_TYPE) ? findNotationFlaw(manifest) : undefined;
    yield flaw === undefined
      ? ignored(place, 'it carries nothing of the kind that is asked for')
      : rejected(place, flaw);
    return;
  }
  const maxContent = look.wanted.attestations ? MAX_ATTESTATION_CONTENT : MAX_SIGNATURE_CONTENT;
  // Layers of one digest are several signatures over one payload (each with its own annotations): none is skipped.
  for (const layer of layers.slice(0, maxLayers)) {
    if (layer.size > maxContent) {
      yield rejected(place, tooLarge(layer.size, maxContent));
      continue;
    }
    if (layer.size > look.left) {
      yield { kind: 'bound', place };
      return;
    }
    look.left -= layer.size;
    yield* guarded(place, () => inLayer(place, foundIn, manifest, layer, look.source));
  }
  if (layers.length > maxLayers) yield { kind: 'bound', place };
}

/** Why a manifest that calls itself a Notation signature is none, where it has no layer that could be one. */
function findNotationFlaw(manifest: Manifest): string | undefined {
  if (!claimsNotation(manifest) || manifest.kind !== 'image') return undefined;
  const found = manifest.layers.map(({ mediaType }) => mediaType.slice(0, 80));
  const told = found.length > 1 ? `${found.length} layers` : (found[0] ?? 'no layer');
  return `integrity: expected 1 layer of ${JWS_TYPE} or ${COSE_TYPE}, got ${told}`;
}

async function* inLayer(
  place: string,
  foundIn: Digest,
  manifest: Manifest,
  layer: Descriptor,
  source: SignatureSource,
): AsyncGenerator<Discovered> {
  const content = await source.findContent(layer);
  if (content.kind !== 'found') {
    yield rejected(place, content.kind === 'refused' ? content.reason : 'its content is missing');
    return;
  }
  const { mediaType, annotations = {} } = layer;
  const candidate: Candidate = {
    place,
    foundIn,
    manifest,
    mediaType,
    content: content.value,
    annotations,
  };
  yield { kind: 'candidate', candidate };
}

function parsed(manifest: SourceManifest): Manifest | string {
  try {
    return parseManifest(manifest.bytes, manifest.contentType);
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}
