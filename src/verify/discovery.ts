/** Where cosign signatures live: the `.sig` tag, and referrers by API or by fallback index. Opens them one by one. */
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, digestHex, type Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { isImageType, OCI_EMPTY } from '../oci/media-type.ts';
import type { Finding } from '../policy/evidence.ts';
import {
  MAX_LAYERS_PER_REFERRER,
  MAX_SIGNATURE_CONTENT,
  MAX_SIGNATURE_MANIFEST,
  MAX_SIGNATURES_PER_PLACE,
} from './bounds.ts';
import type { Candidate, Subject } from './candidate.ts';
import { SourceError, type SignatureSource, type SourceManifest } from './signature-source.ts';

/** A signature to check, something that is none, or a place that could not be looked at (to its end). */
export type Discovered =
  | { readonly kind: 'candidate'; readonly candidate: Candidate }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'trouble'; readonly place: string; readonly error: SourceError }
  /** The place holds more than is looked at. */
  | { readonly kind: 'bound'; readonly place: string };

/** Which layers are worth opening. */
export type Accepts = (mediaType: string) => boolean;

/**
 * The tag under which cosign looks for what belongs to a digest; suffix '' is the referrers fallback index.
 * distribution-spec "Referrers Tag Schema": 64 characters of the hex are enough, since a tag has no more than 128.
 */
export function attachmentTag(digest: Digest, suffix: '' | '.sig'): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}${suffix}`;
}

/**
 * Signatures of a digest, lazily, from all places at once: junk or slowness in one hides nothing in the other
 * (cosign itself lets one bundle hide every `.sig`).
 */
export function discover(
  subject: Subject,
  source: SignatureSource,
  accepts: Accepts,
): AsyncGenerator<Discovered> {
  const tag = `tag ${attachmentTag(subject.digest, '.sig')}`;
  return merged([
    bounded(tag, () => inSignatureTag(subject, source, accepts)),
    bounded('referrers', () => inReferrers(subject, source, accepts)),
  ]);
}

async function* inSignatureTag(
  subject: Subject,
  source: SignatureSource,
  accepts: Accepts,
): AsyncGenerator<Discovered> {
  const tag = attachmentTag(subject.digest, '.sig');
  const answer = await source.findTag(tag, MAX_SIGNATURE_MANIFEST);
  if (answer.kind === 'refused') yield rejected(`tag ${tag}`, answer.reason);
  if (answer.kind !== 'found') return;
  const manifest = parsed(answer.value);
  if (typeof manifest === 'string') yield rejected(`tag ${tag}`, manifest);
  else yield* inLayers(`tag ${tag}`, answer.value.digest, manifest, source, accepts);
}

async function* inReferrers(
  subject: Subject,
  source: SignatureSource,
  accepts: Accepts,
): AsyncGenerator<Discovered> {
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
    yield* guarded(place, () => inReferrer(place, descriptor, subject, source, accepts));
  }
}

/** The artifact type only orders: cosign 3 leaves the empty type in fallback indexes, so filtering would miss it. */
function likelyFirst(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const unlikely = ({ artifactType }: Descriptor): number =>
    artifactType === undefined || artifactType === OCI_EMPTY || artifactType.includes('sigstore')
      ? 0
      : 1;
  return [...descriptors].sort((a, b) => unlikely(a) - unlikely(b));
}

async function* inReferrer(
  place: string,
  descriptor: Descriptor,
  subject: Subject,
  source: SignatureSource,
  accepts: Accepts,
): AsyncGenerator<Discovered> {
  if (!isImageType(descriptor.mediaType)) {
    yield ignored(place, `it is a ${descriptor.mediaType}`);
    return;
  }
  if (descriptor.size > MAX_SIGNATURE_MANIFEST) {
    yield rejected(place, tooLarge(descriptor.size, MAX_SIGNATURE_MANIFEST));
    return;
  }
  const answer = await source.findManifest(descriptor.digest, MAX_SIGNATURE_MANIFEST);
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
  } else if (manifest.subject?.digest !== subject.digest) {
    // Being listed proves nothing: the registry made the list.
    yield rejected(
      place,
      `its subject is ${manifest.subject?.digest ?? 'missing'}, not this image`,
    );
  } else {
    yield* inLayers(place, descriptor.digest, manifest, source, accepts, MAX_LAYERS_PER_REFERRER);
  }
}

async function* inLayers(
  place: string,
  foundIn: Digest,
  manifest: Manifest,
  source: SignatureSource,
  accepts: Accepts,
  maxLayers = Number.POSITIVE_INFINITY,
): AsyncGenerator<Discovered> {
  const all = manifest.kind === 'image' ? manifest.layers : [];
  const layers = all.filter((layer) => accepts(layer.mediaType));
  if (layers.length === 0) {
    yield ignored(place, `it carries no signature that a key can verify`);
    return;
  }
  // Layers of one digest are several signatures over one payload (each with its own annotations): none is skipped.
  for (const layer of layers.slice(0, maxLayers)) {
    if (layer.size > MAX_SIGNATURE_CONTENT) {
      yield rejected(place, tooLarge(layer.size, MAX_SIGNATURE_CONTENT));
      continue;
    }
    yield* guarded(place, () => inLayer(place, foundIn, layer, source));
  }
  if (layers.length > maxLayers) yield { kind: 'bound', place };
}

async function* inLayer(
  place: string,
  foundIn: Digest,
  layer: Descriptor,
  source: SignatureSource,
): AsyncGenerator<Discovered> {
  const content = await source.findContent(layer);
  if (content.kind !== 'found') {
    yield rejected(place, content.kind === 'refused' ? content.reason : 'its content is missing');
    return;
  }
  const { mediaType, annotations = {} } = layer;
  const candidate: Candidate = { place, foundIn, mediaType, content: content.value, annotations };
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

function rejected(place: string, text: string): Discovered {
  return { kind: 'finding', finding: { place, scheme: 'other', outcome: 'rejected', text } };
}

function ignored(place: string, text: string): Discovered {
  return { kind: 'finding', finding: { place, scheme: 'other', outcome: 'ignored', text } };
}

function tooLarge(size: number, bound: number): string {
  return `it declares ${size} bytes, the bound is ${bound}`;
}

/** Turns "could not look" into an item, so that the other places are still looked at. */
async function* guarded(
  place: string,
  open: () => AsyncGenerator<Discovered>,
): AsyncGenerator<Discovered> {
  try {
    yield* open();
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    yield { kind: 'trouble', place, error };
  }
}

/** {@link guarded}, and no more of it than the bound. */
async function* bounded(
  place: string,
  open: () => AsyncGenerator<Discovered>,
): AsyncGenerator<Discovered> {
  let seen = 0;
  for await (const item of guarded(place, open)) {
    if (seen++ >= MAX_SIGNATURES_PER_PLACE) {
      yield { kind: 'bound', place };
      return;
    }
    yield item;
  }
}

/** Items of all streams as they come, each stream one step ahead of its reader. */
async function* merged<T>(streams: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const running = new Map(streams.map((stream) => [stream, step(stream)]));
  try {
    while (running.size > 0) {
      const { stream, result } = await Promise.race(running.values());
      if (result.done === true) {
        running.delete(stream);
      } else {
        running.set(stream, step(stream));
        yield result.value;
      }
    }
  } finally {
    // A reader that has seen enough leaves: close what is open without waiting for it.
    for (const stream of running.keys()) void stream.return(undefined).catch(() => undefined);
  }
}

interface Step<T> {
  readonly stream: AsyncGenerator<T>;
  readonly result: IteratorResult<T, unknown>;
}

function step<T>(stream: AsyncGenerator<T>): Promise<Step<T>> {
  const next = stream.next().then((result) => ({ stream, result }));
  next.catch(() => undefined);
  return next;
}
