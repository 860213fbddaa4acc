/** What one image consists of, as the proxy serves it: its manifests, its content, and what is attached to them. */
import type { Content } from '../layout/proven.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import { failed, got, type Answer, type Failed } from './answer.ts';
import { contentsOf, findAttached, type Attached } from './attached.ts';
import { MAX_FURTHER_ATTACHED, MAX_INDEX_DEPTH } from './bounds.ts';
import type { ProxyClient, ServedManifest } from './proxy-client.ts';
import { chooseChildren, isOfPlatform, type Platform, type WantedImage } from './wanted.ts';

export interface Surveyed {
  readonly top: ServedManifest;
  /** The top, and the children of an index that are of the platforms. */
  readonly chosen: readonly ServedManifest[];
  /** The other children: they belong to the index, their layers to nobody who asked. */
  readonly others: readonly ServedManifest[];
  /** Of the image itself, each once. */
  readonly blobs: readonly Content[];
  readonly attached: readonly Attached[];
  readonly notes: readonly string[];
}

export interface SurveyOptions {
  /** Whether the manifests and configs of other platforms are wanted as well. */
  readonly withOthers: boolean;
}

export async function survey(
  client: ProxyClient,
  { reference, platforms }: WantedImage,
  { withOthers }: SurveyOptions,
): Promise<Answer<Surveyed>> {
  const { repository } = reference;
  const top = await client.manifest(repository, reference.tag ?? reference.digest);
  if (top.outcome !== 'got') return top;
  const tree: Tree = { chosen: new Map(), others: new Map() };
  const flaw = await descend({ client, repository, tree, withOthers }, top.value, platforms, 0);
  if (flaw !== undefined) return flaw;
  const attached: Attached[] = [];
  const { warning, manifest } = top.value;
  const notes = warning === undefined ? [] : [`with a warning: ${warning}`];
  const lacking = lackingPlatforms(manifest, platforms);
  if (lacking !== undefined) notes.push(lacking);
  const further = { left: MAX_FURTHER_ATTACHED };
  for (const { digest } of tree.chosen.values()) {
    const found = await findAttached(client, repository, digest, further);
    if (found.outcome !== 'got') return found;
    attached.push(...found.value.attached);
    notes.push(...found.value.notes);
  }
  const others = [...tree.others.values()].filter(({ digest }) => !tree.chosen.has(digest));
  const blobs = new Map<Digest, Content>();
  for (const one of tree.chosen.values())
    for (const blob of contentsOf(one)) blobs.set(blob.digest, blob);
  for (const { manifest } of others) {
    if (manifest.kind === 'image') blobs.set(manifest.config.digest, manifest.config);
  }
  return got({
    top: top.value,
    chosen: [...tree.chosen.values()],
    others,
    blobs: [...blobs.values()],
    attached,
    notes,
  });
}

interface Tree {
  readonly chosen: Map<Digest, ServedManifest>;
  readonly others: Map<Digest, ServedManifest>;
}

interface Descent {
  readonly client: ProxyClient;
  readonly repository: Repository;
  readonly tree: Tree;
  readonly withOthers: boolean;
}

/** @returns the failure that ends it. */
async function descend(
  descent: Descent,
  served: ServedManifest,
  platforms: readonly Platform[] | undefined,
  depth: number,
): Promise<Failed | undefined> {
  const { tree, withOthers } = descent;
  tree.chosen.set(served.digest, served);
  const { manifest } = served;
  if (manifest.kind === 'image') return undefined;
  if (depth >= MAX_INDEX_DEPTH) return tooDeep();
  const chosen = chooseChildren(manifest.manifests, platforms);
  if (chosen.length === 0 && platforms !== undefined) {
    return failed(`it has nothing for ${platforms.join(', ')}: ${platformsOf(manifest.manifests)}`);
  }
  const isChosen = new Set(chosen.map(({ digest }) => digest));
  for (const { digest } of manifest.manifests) {
    if (tree.chosen.has(digest)) continue;
    if (!isChosen.has(digest) && (!withOthers || tree.others.has(digest))) continue;
    const child = await descent.client.manifest(descent.repository, digest);
    if (child.outcome !== 'got') return { ...child, message: `child ${child.message}` };
    if (isChosen.has(digest)) {
      const flaw = await descend(descent, child.value, undefined, depth + 1);
      if (flaw !== undefined) return flaw;
    } else {
      const flaw = await descendOther(descent, child.value, depth + 1);
      if (flaw !== undefined) return flaw;
    }
  }
  return undefined;
}

/** A child that nobody asked for, and the manifests below it. */
async function descendOther(
  descent: Descent,
  served: ServedManifest,
  depth: number,
): Promise<Failed | undefined> {
  const { client, repository, tree } = descent;
  tree.others.set(served.digest, served);
  const { manifest } = served;
  if (manifest.kind === 'image') return undefined;
  if (depth >= MAX_INDEX_DEPTH) return tooDeep();
  for (const { digest } of manifest.manifests) {
    if (tree.others.has(digest)) continue;
    const child = await client.manifest(repository, digest);
    if (child.outcome !== 'got') return { ...child, message: `child ${child.message}` };
    const flaw = await descendOther(descent, child.value, depth + 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

/** An index that has some of the platforms only; one that has none is no success. */
function lackingPlatforms(
  manifest: Manifest,
  platforms: readonly Platform[] = [],
): string | undefined {
  if (manifest.kind === 'image') return undefined;
  const children = manifest.manifests;
  const lacking = platforms.filter(
    (wanted) => !children.some(({ platform = '' }) => isOfPlatform(platform, wanted)),
  );
  if (lacking.length === 0) return undefined;
  return `without ${lacking.join(', ')}: ${platformsOf(children)}`;
}

function tooDeep(): Failed {
  return failed(`indexes lie deeper than ${MAX_INDEX_DEPTH}`);
}

function platformsOf(children: readonly Descriptor[]): string {
  const known = new Set(
    children.flatMap(({ platform = '' }) => (platform === '' ? [] : [platform])),
  );
  return known.size === 0 ? 'its index names no platform' : `it has ${[...known].join(', ')}`;
}
