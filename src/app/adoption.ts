/** Images that an import brought, taken into the books of the store, so that room is made around them as around any other. */
import type { Logger } from 'pino';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatReference, type Repository } from '../oci/reference.ts';
import type { BlobStore, Images } from '../store/blob-store.ts';
import type { BoundedBlobStore } from '../store/bounded-blob-store.ts';
import type { ImportedImage } from '../store/local-records.ts';
import type { Records } from '../store/records.ts';

export interface AdoptionParts {
  readonly blobs: BlobStore & Images & Pick<BoundedBlobStore, 'flush'>;
  readonly records: Records;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** Images at a time. */
const BATCH = 64;
const MAX_MANIFEST = 4 * 1024 * 1024;
const MAX_ATTACHMENTS = 1024;
const MAX_DEPTH = 3;

/** Never rejects: what is not adopted now is adopted at the next look. @returns how many were. */
export async function adoptImported({ blobs, records, logger }: AdoptionParts): Promise<number> {
  let adopted = 0;
  try {
    for (;;) {
      const images = await records.local.listUnadopted(BATCH);
      if (images.length === 0) break;
      for (const image of images) {
        await adopt(image, blobs, records);
        // What waits in memory is gone with the process, and nobody would look again.
        if (!(await blobs.flush())) throw new Error('the books could not be written');
      }
      await records.local.adopted(images);
      adopted += images.length;
    }
    if (adopted > 0) logger.info({ images: adopted }, 'imported images were taken into the books');
  } catch (error) {
    logger.warn({ err: error }, 'imported images could not be taken into the books of the cache');
  }
  return adopted;
}

async function adopt(
  { repository, digest, tag }: ImportedImage,
  blobs: BlobStore & Images,
  records: Records,
): Promise<void> {
  const bytes = await blobs.get(digest, MAX_MANIFEST);
  // Imported again it comes back; nothing is served of it until then.
  if (bytes === undefined) return;
  const found = await link(digest, 0);
  const name = formatReference(tag === undefined ? { repository, digest } : { repository, tag });
  blobs.pulled({ digest, bytes, name, members: () => found });
  for (const subject of [digest, ...found]) await attach(repository, digest, subject);

  /** What a manifest names, booked and linked, with all below it. */
  async function link(manifest: Digest, depth: number): Promise<readonly Digest[]> {
    const parsed = await readManifest(manifest, blobs);
    if (parsed === undefined || depth > MAX_DEPTH) return [];
    const members = parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers];
    blobs.link(
      manifest,
      members.map((member) => member.digest),
    );
    for (const member of members) {
      await book(member.digest);
      if (parsed.kind === 'index') await link(member.digest, depth + 1);
    }
    return members.map((member) => member.digest);
  }

  async function attach(place: Repository, image: Digest, subject: Digest): Promise<void> {
    const attached = await records.local.listAttachments(place, subject, MAX_ATTACHMENTS);
    for (const { descriptor } of attached) {
      blobs.attach(image, descriptor.digest);
      const manifest = await readManifest(descriptor.digest, blobs);
      if (manifest?.kind !== 'image') continue;
      for (const content of [manifest.config, ...manifest.layers]) {
        if (await book(content.digest)) blobs.attach(image, content.digest);
      }
    }
  }

  /** Reading is what tells the books of it. @returns whether it is there. */
  async function book(content: Digest): Promise<boolean> {
    const size = await blobs.stat(content);
    if (size === undefined) return false;
    await (await blobs.open(content, size))?.close();
    return true;
  }
}

async function readManifest(
  digest: Digest,
  blobs: Pick<BlobStore, 'get'>,
): Promise<Manifest | undefined> {
  const bytes = await blobs.get(digest, MAX_MANIFEST);
  if (bytes === undefined) return undefined;
  try {
    return parseManifest(bytes, '');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
