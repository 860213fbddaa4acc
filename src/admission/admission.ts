/** May this reference be served? The only place that decides. */
import { LRUCache } from 'lru-cache';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { formatReference, type Reference, type Repository } from '../oci/reference.ts';
import { findRule, type Rule } from '../policy/rule.ts';
import { signaturePlace } from '../policy/signatures.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createAttachments } from './attachments.ts';
import { parseAttachmentTag } from './attachment.ts';
import { createBlobs, type GrantedBlob } from './blobs.ts';
import { DECISION_MEMORY, REFUSAL_MEMORY } from './bounds.ts';
import { isUndetermined, type Decision, type Refused } from './decision.ts';
import { createDigests, type Digests } from './digests.ts';
import { expiryOf } from './expiry.ts';
import { createExpansion } from './expansion.ts';
import { membersOf } from './graph.ts';
import { createHeld, type AdmitSubject } from './held.ts';
import { createLocal, withLocal } from './local.ts';
import { createMemory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { ruleFor } from './offline.ts';
import { createPrefetch } from './prefetch.ts';
import type { Reverifier } from './reverification.ts';
import { refuseRejected, refuseUnknownUpstream, refuseWithoutRule } from './refusal.ts';
import { withSignaturesAt } from './signature-place.ts';
import { once } from './once.ts';
import { createSingleFlight } from './single-flight.ts';
import { isCurrent, type Kept } from './kept.ts';
import type { TagDecision } from './tag-lookup.ts';
import { createTags } from './tags.ts';

export interface Admission {
  /** The whole decision about a manifest, for HEAD and GET alike. */
  admit(reference: Reference): Promise<Decision>;
  /** A decision still in memory: the warm path, without a promise. */
  peek(reference: Reference): Decision | undefined;
  admitBlob(repository: Repository, digest: Digest): Promise<GrantedBlob | Refused>;
  /** Somebody got the manifest as a whole: what it names may be fetched ahead. Returns at once. */
  prefetch(reference: Reference, decision: Decision): void;
  /** What is attached to an admitted digest; empty for any other. */
  findReferrers(repository: Repository, subject: Digest): Promise<readonly Descriptor[] | Refused>;
  /** Whether the repository's tags may be listed: a rule covers it and does not reject it. */
  admitTagList(repository: Repository): Refused | undefined;
  /**
   * The tags of a repository whose upstream nobody may ask, as far as they are pinned here, those after one; undefined
   * where the upstream may be asked, or no tag is pinned.
   */
  listPinned(
    repository: Repository,
    after: string,
    limit: number,
  ): Promise<readonly string[] | undefined>;
  /** Forgets what is in memory: somebody else wrote to the records. */
  forget(): void;
  /** Verifies again what was decided under the rule of that key; what is denied now is withdrawn. */
  readonly reverify: Reverifier['reverify'];
}

/** One admission serves one set of rules and trust roots; another set is another admission. */
export function createAdmission(parts: AdmissionParts): Admission {
  const memory = createMemory(parts);
  const admitSubject: AdmitSubject = (question, digest) => digests.admit(question, digest);
  const held = createHeld(parts, memory, admitSubject);
  const local = createLocal(parts, memory);
  const upstreams = new Map(
    [...parts.upstreams].map(([name, upstream]) => [name, withLocal(upstream, local)]),
  );
  const deciding = createDigests(parts, memory, held, local, admitSubject);
  const digests: Digests = once(deciding, memory, parts);
  const tags = createTags(parts, memory, digests);
  const attachments = createAttachments(memory, local, digests, tags);
  const blobs = createBlobs(parts, memory, held, createExpansion(parts, digests));
  const flights = createSingleFlight<Decision>();
  /** As {@link Memory.withdrawals} was when the decisions in memory were looked at last. */
  let withdrawals = 0;
  const kept = new LRUCache<string, Kept>({
    maxSize: DECISION_MEMORY,
    sizeCalculation: ({ decision }) =>
      2048 +
      512 * (decision.verdict?.findings.length ?? 0) +
      (decision.outcome === 'admitted' ? decision.bytes.length : decision.message.length),
  });

  function ask(reference: Reference): Ask | Refused {
    const { repository } = reference;
    const asked = formatReference(reference);
    const upstream = upstreams.get(repository.registry);
    if (upstream === undefined) return refuseUnknownUpstream(repository);
    const rule = findRule(parts.policy, repository);
    if (rule === undefined) return refuseWithoutRule(asked, repository);
    if (rule.action.kind === 'reject') return refuseRejected(asked, rule, rule.action.reason);
    const there = sources(rule, repository, upstream);
    return { reference, repository, rule: ruleFor(upstream, rule), ...there, depth: 0 };
  }

  /** Signatures that the rule has elsewhere are looked for there, and served as if they were beside the image. */
  function sources(
    rule: Rule,
    repository: Repository,
    upstream: Upstream,
  ): Pick<Ask, 'upstream' | 'signatures'> {
    const place = signaturePlace(rule.signatures, repository);
    if (place === undefined) return { upstream, signatures: upstream };
    const keeper = upstreams.get(place.registry);
    if (keeper === undefined) throw new Error(`no upstream named ${place.registry}`);
    const there = { upstream: keeper, repository: place };
    const image = { upstream, repository };
    return {
      upstream: withSignaturesAt(there, image),
      signatures: withSignaturesAt(there, image, 'signatures'),
    };
  }

  function peek(reference: Reference): Decision | undefined {
    if (memory.withdrawals !== withdrawals) {
      withdrawals = memory.withdrawals;
      kept.clear();
    }
    const name = formatReference(reference);
    const found = kept.get(name);
    if (found === undefined) return undefined;
    if (!isCurrent(found, parts.clock())) {
      // What ended once does not begin again when the clock is set back.
      kept.delete(name);
      return undefined;
    }
    tell(name, found.decision);
    return found.decision;
  }

  /** Whoever makes room later knows that it was pulled. */
  function tell(name: string, decision: Decision): void {
    if (decision.outcome !== 'admitted') return;
    const { digest, bytes, mediaType, verdict } = decision;
    const members = (): readonly Digest[] =>
      verdict.attached === true ? [] : membersOf(parseManifest(bytes, mediaType));
    parts.images?.pulled({ digest, bytes, name, members });
  }

  async function decide(reference: Reference, question: Ask): Promise<TagDecision> {
    if (reference.tag === undefined) {
      const decision = await digests.admit(question, reference.digest);
      return { decision, until: Number.POSITIVE_INFINITY };
    }
    const attachment =
      question.rule.action.kind === 'require' ? parseAttachmentTag(reference.tag) : undefined;
    return attachment === undefined
      ? tags.admit(question, reference.tag)
      : attachments.admitTag(question, reference.tag, attachment);
  }

  /** Refusals are remembered briefly, outages not at all: the next client finds the upstream healed. */
  function keep(
    key: string,
    { decision, until }: TagDecision,
    tags: { readonly refresh: number },
  ): void {
    const now = parts.clock();
    const span = now + memorySpan(decision, tags);
    const lasts = decision.outcome === 'admitted' ? Math.min(until, expiryOf(decision)) : span;
    const end = Math.min(lasts, span);
    if (end > now) {
      kept.set(key, { decision: { ...decision, source: 'memory' }, since: now, until: end });
    } else kept.delete(key);
  }

  async function admitBlob(repository: Repository, digest: Digest): Promise<GrantedBlob | Refused> {
    const question = ask({ repository, digest });
    return 'outcome' in question ? question : blobs.admit(question, digest);
  }

  const prefetch = createPrefetch(parts.prefetch ?? 0, {
    admitBlob,
    hasRoom: ({ registry }) => parts.upstreams.get(registry)?.hasRoom?.() !== false,
  });

  return {
    peek,
    async admit(reference) {
      const known = peek(reference);
      if (known !== undefined) return known;
      const question = ask(reference);
      if ('outcome' in question) return question;
      const key = formatReference(reference);
      const decision = await flights.run(key, async () => {
        const before = memory.withdrawals;
        const keepUnlessOld = (decided: TagDecision): void => {
          if (before === memory.withdrawals) keep(key, decided, question.rule.tags);
        };
        const decided = await decide(reference, question);
        const { outcome } = decided.decision;
        // A refused digest is remembered below, where the grant of an index that is admitted meanwhile is seen.
        if (outcome === 'admitted' || reference.tag !== undefined) keepUnlessOld(decided);
        decided.later?.then(keepUnlessOld, (error: unknown) => {
          parts.logger.error({ err: error, reference: key }, 'a tag was not looked up');
        });
        return decided.decision;
      });
      tell(key, decision);
      return decision;
    },
    admitBlob,
    prefetch(reference, decision) {
      prefetch.begin(reference, decision);
    },
    async findReferrers(repository, subject) {
      const question = ask({ repository, digest: subject });
      return 'outcome' in question ? [] : attachments.findReferrers(question, subject);
    },
    admitTagList(repository) {
      // A tag list names a repository; any reference in it asks the same rule.
      const question = ask({ repository, tag: 'latest' });
      return 'outcome' in question ? question : undefined;
    },
    async listPinned(repository, after, limit) {
      if (parts.upstreams.get(repository.registry)?.isOffline !== true) return undefined;
      const found = await parts.records.listPinned(repository, after, limit);
      const isEmpty = found.length === 0 && after === '';
      return isEmpty ? undefined : found;
    },
    forget: () => {
      memory.forget();
    },
    async reverify({ repository, digest, tag }, policyKey) {
      const question = ask(tag === undefined ? { repository, digest } : { repository, tag });
      if ('outcome' in question || question.rule.key !== policyKey) return 'dropped';
      const { rule, upstream, signatures } = question;
      const canAsk = Number.isFinite(rule.reverify) && [upstream, signatures].every(hasRoom);
      if (!canAsk) return 'open';
      const options = { asImage: tag !== undefined, again: true };
      const decision = await digests.admit(question, digest, options);
      if (decision.outcome === 'admitted') {
        const { outcome } = decision.verdict;
        if (outcome !== 'denied') return outcome === 'admitted' ? 'admitted' : 'open';
      } else if (decision.code !== 'not-admitted') return 'open';
      return memory.isWithdrawn({ repository, digest, policyKey }) ? 'open' : 'withdrawn';
    },
  };
}

/** Nobody waits for it, so it leaves what an upstream still lets us ask to those who do. */
function hasRoom(upstream: Upstream): boolean {
  return upstream.hasRoom?.() !== false;
}

/** Milliseconds for which a decision may answer again. */
function memorySpan(decision: Decision, { refresh }: { readonly refresh: number }): number {
  if (decision.outcome === 'refused') {
    const { code } = decision;
    // What the upstream says of itself is the upstream's to remember, until the credentials change for instance.
    const isItsWord = code === 'absent' || code === 'upstream-refused';
    return isUndetermined(code) || isItsWord ? 0 : REFUSAL_MEMORY;
  }
  if (decision.fleeting === true) return REFUSAL_MEMORY;
  return decision.verdict.outcome === 'admitted' ? Number.POSITIVE_INFINITY : refresh;
}
