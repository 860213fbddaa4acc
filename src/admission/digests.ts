/** A digest in a repository: admitted by its verdict, by the index that names it, as an attachment, or by signatures. */
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord, VerdictRecord } from '../store/records.ts';
import { isAttachment } from './attachment.ts';
import { MAX_ATTACHMENT_DEPTH, MAX_MANIFEST } from './bounds.ts';
import {
  isUndetermined,
  type Admitted,
  type Decision,
  type DecisionSource,
  type Refused,
} from './decision.ts';
import { boundTag, holds } from './expiry.ts';
import { attachmentGrantsOf, grant, grantsOf, membersOf } from './graph.ts';
import { createHeld, verdictIn, type AdmitSubject } from './held.ts';
import { admittedBecause, attachedBecause, judge, type Judgement } from './judge.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { refuseManifest, refuseVerdict } from './refusal.ts';
import { refuseForUpstream } from './trouble.ts';

/** A manifest that is at hand already, so that nobody fetches it twice. */
export interface AtHand {
  readonly bytes: Buffer;
  readonly contentType: string;
}

export interface DigestOptions {
  readonly manifest?: AtHand | undefined;
  /**
   * It is pulled to be run: by a tag that is no attachment's. Then only signatures and signed indexes admit it, being
   * attached to something does not.
   */
  readonly asImage?: boolean;
}

export interface Digests {
  admit(ask: Ask, digest: Digest, options?: DigestOptions): Promise<Decision>;
  /** The manifest's bytes, from the cache or from upstream; a refusal where neither has them. */
  load(ask: Ask, digest: Digest): Promise<AtHand | Refused>;
}

/** A manifest on its way to a verdict. */
interface Case extends AtHand {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

type Kept = Pick<Case, 'digest' | 'bytes' | 'manifest'>;

export function createDigests(
  parts: AdmissionParts,
  memory: Memory,
  admitSubject: AdmitSubject,
): Digests {
  const held = createHeld(parts, memory, admitSubject);

  async function admit(ask: Ask, digest: Digest, options: DigestOptions = {}): Promise<Decision> {
    const asImage = options.asImage ?? false;
    const tag = boundTag(ask, asImage);
    const key = { repository: ask.repository, digest, tag, policyKey: ask.rule.key };
    const recorded = await parts.records.findVerdict(key);
    const verdict = verdictIn(recorded);
    if (
      recorded !== undefined &&
      verdict !== undefined &&
      holds(verdict, parts.clock()) &&
      !(asImage && verdict.attached === true)
    ) {
      return fromRecord(ask, recorded, verdict);
    }
    const loaded = options.manifest ?? (await load(ask, digest));
    if ('outcome' in loaded) return loaded;
    const granted = await held.find(ask, digest, asImage);
    if (granted !== undefined && 'outcome' in granted) return granted;
    const item = parse(ask, digest, loaded, granted);
    if ('outcome' in item) return item;
    // Whoever can push can let a list of referrers be any index, a signed image among them, and the list grants nothing
    // of what it names. So an index is judged like an image first.
    const isList = granted?.kind === 'attachment' && item.manifest.kind === 'index';
    if (granted !== undefined && !isList) return admitByGrant(ask, item, granted);
    const attached = asImage ? undefined : await admitAsAttachment(ask, item);
    if (attached?.outcome === 'admitted') return attached;
    const decision = await admitByRule(ask, item, tag);
    if (decision.outcome === 'refused' && isList) return asList(ask, item, granted);
    // What it is attached to could not be decided now, so a denial would say too much.
    return decision.outcome === 'refused' ? (attached ?? decision) : decision;
  }

  async function load(ask: Ask, digest: Digest): Promise<AtHand | Refused> {
    const kept = await memory.findBytes(digest, MAX_MANIFEST);
    if (kept !== undefined) return { bytes: kept, contentType: '' };
    try {
      const { path } = ask.repository;
      return await ask.upstream.fetchManifest(path, digest, { maxBytes: MAX_MANIFEST });
    } catch (error) {
      return refuseForUpstream(formatReference(ask.reference), error, ask.rule);
    }
  }

  async function fromRecord(ask: Ask, record: VerdictRecord, verdict: Verdict): Promise<Decision> {
    const loaded = await load(ask, record.digest);
    if ('outcome' in loaded) return loaded;
    await keepIfFetched(record.digest, loaded);
    if (verdict.attached !== true) {
      memory.link(record.digest, membersOf(parseManifest(loaded.bytes, record.mediaType)));
    }
    return admitted(ask, { ...record, bytes: loaded.bytes }, verdict, 'records');
  }

  async function keep({ digest, bytes, manifest }: Kept): Promise<void> {
    await memory.keepBytes(digest, bytes);
    memory.link(digest, membersOf(manifest));
  }

  async function keepIfFetched(digest: Digest, { bytes, contentType }: AtHand): Promise<void> {
    if (contentType !== '') await memory.keepBytes(digest, bytes);
  }

  function parse(
    ask: Ask,
    digest: Digest,
    { bytes, contentType }: AtHand,
    granted: GrantRecord | undefined,
  ): Case | Refused {
    const asked = formatReference(ask.reference);
    if (granted !== undefined && granted.size !== bytes.length) {
      const text = `its index declares ${granted.size} bytes, it has ${bytes.length}`;
      return refuseManifest(asked, digest, ask.rule, text);
    }
    try {
      const manifest = parseManifest(bytes, granted?.mediaType ?? contentType);
      if (granted !== undefined && manifest.mediaType !== granted.mediaType) {
        throw new SyntaxError(`expected ${granted.mediaType}, got ${manifest.mediaType}`);
      }
      return { digest, bytes, contentType, manifest };
    } catch (error) {
      if (error instanceof SyntaxError)
        return refuseManifest(asked, digest, ask.rule, error.message);
      throw error;
    }
  }

  async function admitByGrant(ask: Ask, item: Case, granted: GrantRecord): Promise<Decision> {
    const { repository, rule } = ask;
    if (granted.kind === 'attachment') memory.attach(granted.because, item.digest);
    const scope = { repository, policyKey: rule.key, because: granted.because };
    const parent = await held.findVerdict({ ...scope, digest: granted.because });
    const signers = parent?.signers ?? [];
    const until = parent?.until === undefined ? {} : { until: parent.until };
    if (granted.kind === 'attachment') {
      const verdict = { ...attachedBecause(`attached to ${granted.because}`), signers };
      const grants = isAttachment(item.manifest, item.bytes)
        ? attachmentGrantsOf(item.manifest, scope)
        : [];
      return remember(ask, item, verdict, grants);
    }
    const verdict = {
      ...admittedBecause(`part of the admitted ${granted.because}`),
      signers,
      ...until,
    };
    return remember(ask, item, verdict, grantsOf(item.manifest, scope));
  }

  function asList(ask: Ask, item: Case, { because }: GrantRecord): Admitted {
    const verdict = attachedBecause(`the list of what is attached to ${because}`);
    const { mediaType } = item.manifest;
    return { ...admitted(ask, { ...item, mediaType }, verdict, 'fresh'), fleeting: true };
  }

  /**
   * An attachment of an admitted digest is served so that others can verify too; nothing runnable passes as one.
   * @returns a refusal only where that digest cannot be decided now.
   */
  async function admitAsAttachment(ask: Ask, item: Case): Promise<Decision | undefined> {
    const { manifest } = item;
    if (ask.rule.action.kind !== 'require' || ask.depth >= MAX_ATTACHMENT_DEPTH) return undefined;
    if (!isAttachment(manifest, item.bytes) || manifest.subject === undefined) return undefined;
    const { digest } = manifest.subject;
    const subject = await admitSubject({ ...ask, depth: ask.depth + 1 }, digest);
    if (subject.outcome === 'refused') return isUndetermined(subject.code) ? subject : undefined;
    if (subject.verdict.outcome !== 'admitted') return undefined;
    const scope = { repository: ask.repository, policyKey: ask.rule.key, because: digest };
    const verdict = attachedBecause(`attached to the admitted ${digest}`);
    memory.attach(digest, item.digest);
    return remember(ask, item, verdict, attachmentGrantsOf(manifest, scope));
  }

  async function admitByRule(ask: Ask, item: Case, tag: string | undefined): Promise<Decision> {
    const { repository, rule } = ask;
    const judgement = await judge(
      item,
      rule,
      { ...ask, tag },
      {
        trustRoots: parts.trustRoots,
        exhaustive: parts.exhaustive ?? false,
        now: parts.clock(),
        ...(parts.revocation !== undefined && { revocation: parts.revocation }),
      },
    );
    const { verdict } = judgement;
    const scope = { repository, policyKey: rule.key, because: item.digest };
    const grants = [
      ...grantsOf(item.manifest, scope),
      ...(await keepSignatures(ask, item, judgement)),
    ];
    if (verdict.outcome === 'admitted') {
      // Bound to its tag it is good for its digest all the more: that record carries the grants.
      const admitted = await remember(ask, item, verdict, grants);
      return tag === undefined ? admitted : remember(ask, item, verdict, [], tag);
    }
    const refused = refuseVerdict(ask.reference, item.digest, rule, verdict);
    if (rule.mode === 'enforce') return refused;
    // Audit: the content may be served, the verdict is not kept, so a signature made later is seen.
    await keep(item);
    await memory.record({ grants });
    return {
      ...admitted(ask, { ...item, mediaType: item.manifest.mediaType }, verdict, 'fresh'),
      warning: `audit mode: ${refused.message}`,
    };
  }

  /** The signatures that counted are kept with the image: they are served, and need no upstream later. */
  async function keepSignatures(
    ask: Ask,
    item: Case,
    { signedBy, source }: Judgement,
  ): Promise<readonly GrantRecord[]> {
    const scope = { repository: ask.repository, policyKey: ask.rule.key, because: item.digest };
    const grants: GrantRecord[] = [];
    for (const digest of new Set(signedBy)) {
      const found = source?.manifests.get(digest);
      if (found === undefined) continue;
      const manifest = parseManifest(found.bytes, found.contentType);
      if (!isAttachment(manifest, found.bytes)) continue;
      await memory.keepBytes(digest, found.bytes);
      memory.attach(item.digest, digest);
      const { mediaType } = manifest;
      grants.push(grant({ digest, mediaType, size: found.bytes.length }, 'attachment', scope));
      grants.push(...attachmentGrantsOf(manifest, scope));
      for (const layer of manifest.layers) {
        const content = source?.contents.get(layer.digest);
        if (content === undefined) continue;
        await memory.keepBytes(layer.digest, content);
        memory.attach(item.digest, layer.digest);
      }
    }
    return grants;
  }

  async function remember(
    ask: Ask,
    item: Case,
    verdict: Verdict,
    grants: readonly GrantRecord[],
    tag?: string,
  ): Promise<Admitted> {
    if (verdict.attached === true) await memory.keepBytes(item.digest, item.bytes);
    else await keep(item);
    const { mediaType } = item.manifest;
    await memory.record({
      verdict: {
        repository: ask.repository,
        digest: item.digest,
        tag,
        policyKey: ask.rule.key,
        mediaType,
        size: item.bytes.length,
        verdict: JSON.stringify(verdict),
        decidedAt: parts.clock(),
      },
      grants,
    });
    return admitted(ask, { ...item, mediaType }, verdict, 'fresh');
  }

  return { admit, load };
}

function admitted(
  ask: Ask,
  item: { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer },
  verdict: Verdict,
  source: DecisionSource,
): Admitted {
  const { digest, mediaType, bytes } = item;
  return { outcome: 'admitted', digest, mediaType, bytes, rule: ask.rule.name, verdict, source };
}
