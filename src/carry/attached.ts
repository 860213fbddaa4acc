/** What is attached to a digest as the proxy serves it: `.sig`, `.att` and `.sbom` tags, referrers, the fallback index. */
import type { Content } from '../layout/proven.ts';
import { digestAlgorithm, digestHex, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { got, type Answer, type Failed } from './answer.ts';
import { MAX_ATTACHMENT_DEPTH, MAX_FURTHER_ATTACHED } from './bounds.ts';
import type { ProxyClient, ServedManifest } from './proxy-client.ts';

/** One manifest that belongs to another. */
export interface Attached {
  readonly repository: Repository;
  /** What it is attached to. */
  readonly subject: Digest;
  readonly served: ServedManifest;
  /** Where it was found; undefined for what only the list of referrers leads to. */
  readonly tag: string | undefined;
  readonly artifactType: string | undefined;
  /** As the list of referrers has them. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

export interface FoundAttached {
  readonly attached: readonly Attached[];
  /** What is listed and not served, and why. */
  readonly notes: readonly string[];
}

/** '' is the list of referrers where a registry has no API for it. */
const SUFFIXES = ['.sig', '.att', '.sbom', ''] as const;

/** How many more attachments of attachments are looked at, and for; one for all manifests of an image. */
export interface Budget {
  left: number;
}

/**
 * Looks in every place. What the proxy refuses there, or does not find, is left out and noted; what it cannot tell now
 * fails the whole.
 */
export async function findAttached(
  client: ProxyClient,
  repository: Repository,
  subject: Digest,
  further: Budget = { left: MAX_FURTHER_ATTACHED },
  depth = 0,
): Promise<Answer<FoundAttached>> {
  const attached: Attached[] = [];
  const notes: string[] = [];
  const inTags = await Promise.all(
    SUFFIXES.map(async (suffix) => {
      const tag = attachmentTag(subject, suffix);
      return { suffix, tag, answer: await client.manifest(repository, tag) };
    }),
  );
  const listed = new Map<Digest, Listed>();
  for (const { suffix, tag, answer } of inTags) {
    if (answer.outcome === 'got') {
      const about = { tag, artifactType: undefined, annotations: undefined };
      attached.push({ repository, subject, served: answer.value, ...about });
      for (const one of suffix === '' ? childrenOf(answer.value) : []) listed.set(one.digest, one);
    } else if (isSettled(answer)) {
      if (answer.outcome === 'refused') notes.push(`without ${tag}: ${answer.message}`);
    } else return answer;
  }
  const referrers = await client.referrers(repository, subject);
  if (referrers.outcome === 'got') for (const one of referrers.value) listed.set(one.digest, one);
  else if (!isSettled(referrers)) return referrers;
  for (const one of listed.values()) {
    if (depth > 0 && further.left-- <= 0) break;
    const answer = await client.manifest(repository, one.digest);
    if (answer.outcome !== 'got') {
      if (!isSettled(answer)) return answer;
      notes.push(`without referrer ${one.digest}: ${answer.message}`);
    } else if (answer.value.manifest.subject?.digest !== subject) {
      notes.push(`without referrer ${one.digest}: it is about something else`);
    } else {
      const artifactType = one.artifactType ?? typeOf(answer.value);
      const { annotations } = one;
      const about = { tag: undefined, artifactType, annotations };
      attached.push({ repository, subject, served: answer.value, ...about });
    }
  }
  if (depth < MAX_ATTACHMENT_DEPTH) {
    for (const one of attached.filter(mayBeSigned)) {
      if (further.left-- <= 0) break;
      const found = await findAttached(client, repository, one.served.digest, further, depth + 1);
      if (found.outcome !== 'got') return found;
      attached.push(...found.value.attached);
      notes.push(...found.value.notes);
    }
  }
  if (further.left < 0 && depth === 0) {
    notes.push(`without some of what is attached to its attachments: there is too much of it`);
  }
  return got({ attached, notes });
}

/** Everything that the manifest names: its config and its layers. */
export function contentsOf({ manifest }: ServedManifest): readonly Content[] {
  return manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : [];
}

/** Whether it is final that it is not served. */
function isSettled({ outcome, isUnasked }: Failed): boolean {
  return outcome !== 'failed' || isUnasked === true;
}

/** Nobody signs a signature of cosign's, or the list of referrers; an SBOM or a statement may be signed in its turn. */
function mayBeSigned({ tag, served }: Attached): boolean {
  return served.manifest.kind === 'image' && tag?.endsWith('.sig') !== true;
}

interface Listed {
  readonly digest: Digest;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

function childrenOf({ manifest }: ServedManifest): readonly Listed[] {
  return manifest.kind === 'index' ? manifest.manifests : [];
}

/** distribution-spec "Listing Referrers": without an artifact type the config's media type stands for it. */
function typeOf({ manifest }: ServedManifest): string | undefined {
  return (
    manifest.artifactType ?? (manifest.kind === 'image' ? manifest.config.mediaType : undefined)
  );
}

/** cosign's tags, and distribution-spec "Referrers Tag Schema": 64 characters of the hex are enough. */
function attachmentTag(digest: Digest, suffix: string): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}${suffix}`;
}
