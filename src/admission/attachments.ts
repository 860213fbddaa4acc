/** Signatures, attestations and SBOMs of admitted digests, served so that others behind the proxy can verify too. */
import { FOUND_UNDER_TAG } from '../oci/annotation.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import type { PinRecord } from '../store/tag-records.ts';
import type { ResolvedTag } from '../upstream/upstream.ts';
import { attachmentTag } from '../verify/discovery.ts';
import { isAttachment, isReferrersIndex, type AttachmentTag } from './attachment.ts';
import { MAX_MANIFEST, VERIFICATION_DEADLINE } from './bounds.ts';
import { isUndetermined, type Decision, type Refused } from './decision.ts';
import type { AtHand, Digests } from './digests.ts';
import { attachmentGrantsOf, grant } from './graph.ts';
import { admitted } from './deciding.ts';
import { restingOn } from './exceptions.ts';
import { attachedBecause } from './judge.ts';
import type { Local } from './local.ts';
import type { Memory } from './memory.ts';
import type { Ask } from './parts.ts';
import { absentAttachment } from './refusal.ts';
import type { TagDecision } from './tag-lookup.ts';
import type { Tags } from './tags.ts';
import { isUpstreamError, refuseForUpstream } from './trouble.ts';

export interface Attachments {
  /** A `sha256-<hex>[.sig|.att|.sbom]` tag. Clients abort a pull on 403 here, so what is not there is absent. */
  admitTag(ask: Ask, tag: string, attachment: AttachmentTag): Promise<TagDecision>;
  /** What this side and the upstream list for an admitted digest; nothing for any other. */
  findReferrers(ask: Ask, subject: Digest): Promise<readonly Descriptor[] | Refused>;
}

export function createAttachments(
  memory: Memory,
  local: Local,
  digests: Digests,
  tags: Tags,
): Attachments {
  async function admitTag(ask: Ask, tag: string, attachment: AttachmentTag): Promise<TagDecision> {
    const subject = await digests.admit(ask, attachment.subject);
    const { verdict } = subject;
    if (subject.outcome === 'refused') return { decision: without(ask, subject), until: 0 };
    // In audit mode a subject is served that was not admitted: what is attached to it is judged for itself.
    if (verdict?.outcome !== 'admitted') return tags.admit(ask, tag);
    return tags.admit(ask, tag, (resolved, pin) => admitResolved(ask, attachment, resolved, pin));
  }

  /** Only what cannot run is admitted by what it is attached to; anything else is judged like any image. */
  async function admitResolved(
    ask: Ask,
    { subject, suffix }: AttachmentTag,
    resolved: ResolvedTag,
    pin: PinRecord,
  ): Promise<Decision> {
    const { digest } = resolved;
    const asOther = (manifest: AtHand): Promise<Decision> =>
      digests.admit(ask, digest, { manifest, asImage: true });
    const loaded = resolved.manifest ?? (await digests.load(ask, digest));
    if ('outcome' in loaded) return loaded;
    const manifest = parsed(loaded.bytes, loaded.contentType);
    const attached =
      manifest !== undefined &&
      (suffix === ''
        ? isReferrersIndex(manifest, loaded.bytes)
        : isAttachment(manifest, loaded.bytes));
    if (!attached) return asOther(loaded);
    const { mediaType } = manifest;
    const scope = { repository: ask.repository, policyKey: ask.rule.key, because: subject };
    await memory.keepBytes(digest, loaded.bytes);
    // The image may have been withdrawn while its attachment was fetched: what is granted by nobody would stay.
    const still = await digests.admit(ask, subject);
    if (still.outcome === 'refused') return without(ask, still);
    const { verdict } = still;
    if (verdict.outcome !== 'admitted') return asOther(loaded);
    memory.attach(subject, digest);
    await memory.record({
      grants: [
        grant({ digest, mediaType, size: loaded.bytes.length }, 'attachment', scope),
        // A list of referrers grants none of its children: each is judged when it is asked for.
        ...attachmentGrantsOf(manifest, scope),
      ],
      pin,
    });
    const because = restingOn(attachedBecause(`attached to the admitted ${subject}`), verdict);
    const item = { digest, mediaType, bytes: loaded.bytes };
    return admitted(ask, item, because, 'fresh', Number.POSITIVE_INFINITY);
  }

  async function findReferrers(
    ask: Ask,
    subject: Digest,
  ): Promise<readonly Descriptor[] | Refused> {
    const decision = await digests.admit(ask, subject);
    if (decision.outcome === 'refused') return isUndetermined(decision.code) ? decision : [];
    const attached = await local.list(ask.repository, subject);
    // What was found under a tag where it came from is found under it here too, and is no referrer.
    const own = attached.filter(({ annotations }) => annotations?.[FOUND_UNDER_TAG] === undefined);
    // Where nobody may be asked, what was imported with an image is all there is to say of it.
    const isAll = ask.upstream.isOffline === true && attached.length > 0;
    const listed = isAll ? [] : await listUpstream(ask, subject);
    if ('outcome' in listed) return listed;
    const others = listed.filter(({ digest }) => own.every((known) => known.digest !== digest));
    return [...own, ...others];
  }

  async function listUpstream(ask: Ask, subject: Digest): Promise<readonly Descriptor[] | Refused> {
    const { path } = ask.repository;
    const signal = AbortSignal.timeout(VERIFICATION_DEADLINE);
    try {
      const listed = await ask.upstream.referrers(path, subject, { signal });
      if (listed !== undefined && listed.length > 0) return listed;
      const tag = attachmentTag(subject, '');
      const found = await ask.upstream.fetchManifest(path, tag, {
        maxBytes: MAX_MANIFEST,
        signal,
      });
      const index = parsed(found.bytes, found.contentType);
      return index?.kind === 'index' ? index.manifests : [];
    } catch (error) {
      if (isUpstreamError(error) && error.code === 'not-found') return [];
      return refuseForUpstream(formatReference(ask.reference), error, ask.rule);
    }
  }

  return { admitTag, findReferrers };
}

/** What is attached to an image that is not admitted is not there. */
function without(ask: Ask, refused: Refused): Refused {
  return isUndetermined(refused.code) ? refused : absentAttachment(formatReference(ask.reference));
}

function parsed(bytes: Buffer, contentType: string): Manifest | undefined {
  try {
    return parseManifest(bytes, contentType);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
