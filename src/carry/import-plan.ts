/** What belongs to each image of a layout: its parts, and what is attached to any of them. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import type { ContainedAttachment, ContainedImage, Contents } from '../layout/contents.ts';
import {
  describeReferrer,
  findParts,
  readManifest,
  type ImageParts,
} from '../layout/image-parts.ts';
import { LayoutError } from '../layout/layout-error.ts';
import type { Layout } from '../layout/layout.ts';

export interface PlannedImage extends ContainedImage {
  readonly parts: ImageParts;
  readonly attachments: readonly PlannedAttachment[];
}

export interface PlannedAttachment extends ContainedAttachment {
  /** Absent where something of it is not there. */
  readonly parts: ImageParts | Refusal;
}

/** Why something of the layout cannot be imported. */
export interface Refusal {
  readonly refused: string;
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value;
}

/** Attachments of one image. */
const MAX_ATTACHMENTS = 1024;

export interface Planner {
  plan(image: ContainedImage): Promise<PlannedImage | Refusal>;
  /** How many attachments belong to none of the images that were planned. */
  strays(): number;
}

/** Finds what is attached to what in time that grows with the layout alone. */
export async function createPlanner(layout: Layout, { attachments }: Contents): Promise<Planner> {
  const planned = new Set<ContainedAttachment>();
  const bySubject = new Map<string, ContainedAttachment[]>();
  const add = (one: ContainedAttachment): void => {
    const key = `${formatRepository(one.repository)} ${one.subject}`;
    bySubject.set(key, [...(bySubject.get(key) ?? []), one]);
  };
  for (const attachment of attachments) {
    add(attachment);
    for (const listed of await listedBy(layout, attachment)) add(listed);
  }

  async function plan(image: ContainedImage): Promise<PlannedImage | Refusal> {
    const parts = await understand(() => findParts(layout, image.descriptor));
    if (isRefusal(parts)) return parts;
    const found = new Map<string, PlannedAttachment>();
    // Not of what is incomplete: to admit what is attached to it would bring its manifest here, without its layers.
    const subjects: Digest[] = parts.manifests.map(({ digest }) => digest);
    const repository = formatRepository(image.reference.repository);
    for (const subject of subjects) {
      for (const attachment of bySubject.get(`${repository} ${subject}`) ?? []) {
        planned.add(attachment);
        const { descriptor, tag = '' } = attachment;
        const key = `${subject} ${descriptor.digest} ${tag}`;
        if (found.has(key)) continue;
        if (found.size >= MAX_ATTACHMENTS) {
          return { refused: `expected at most ${MAX_ATTACHMENTS} attachments of one image` };
        }
        const own = await understand(() => findParts(layout, descriptor));
        found.set(key, { ...attachment, parts: own });
        // What is not whole stays away, so nothing can be attached to it.
        if (!isRefusal(own)) subjects.push(descriptor.digest);
      }
    }
    return { ...image, parts, attachments: [...found.values()] };
  }

  return { plan, strays: () => attachments.filter((one) => !planned.has(one)).length };
}

/** What a list of referrers under a tag names: the registry that it is from has no other way to say so. */
async function listedBy(
  layout: Layout,
  { repository, subject, descriptor, tag }: ContainedAttachment,
): Promise<readonly ContainedAttachment[]> {
  if (tag === undefined) return [];
  const list = await understand(() => readManifest(layout, descriptor));
  if (isRefusal(list) || list.kind !== 'index') return [];
  const found: ContainedAttachment[] = [];
  for (const child of list.manifests) {
    if (!layout.blobs.has(child.digest)) continue;
    const manifest = await understand(() => readManifest(layout, child));
    if (isRefusal(manifest) || manifest.subject?.digest !== subject) continue;
    found.push({ repository, subject, descriptor: describeReferrer(child, manifest) });
  }
  return found;
}

/** What is wrong with one part of a layout is no reason to refuse the others. */
async function understand<T extends object>(work: () => Promise<T>): Promise<T | Refusal> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LayoutError) return { refused: error.message };
    throw error;
  }
}

/** Everything that is to be there before the image is admitted, content before what names it, each once. */
export function contentOf({ parts, attachments }: PlannedImage): readonly Descriptor[] {
  const all = [parts, ...attachments.flatMap(({ parts: own }) => (isRefusal(own) ? [] : [own]))];
  const ordered = [...all.flatMap((one) => one.contents), ...all.flatMap((one) => one.manifests)];
  return [...new Map(ordered.map((one) => [one.digest, one])).values()];
}
