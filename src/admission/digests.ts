/** A digest in a repository: admitted by its verdict, by the index that names it, as an attachment, or by signatures. */
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord, PinRecord, VerdictRecord } from '../store/records.ts';
import { isAttachment } from './attachment.ts';
import { MAX_ATTACHMENT_DEPTH, MAX_MANIFEST } from './bounds.ts';
import {
  isUndetermined,
  type Admitted,
  type Decision,
  type DecisionSource,
  type Refused,
} from './decision.ts';
import { attachmentGrantsOf, grant, grantsOf } from './graph.ts';
import { admittedBecause, judge, type Judgement } from './judge.ts';
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
  /** Written in the same transaction as the verdict, where one is written. */
  readonly pin?: PinRecord | undefined;
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

export function createDigests(parts: AdmissionParts, memory: Memory): Digests {
  async function admit(ask: Ask, digest: Digest, options: DigestOptions = {}): Promise<Decision> {
    const key = { repository: ask.repository, digest, policyKey: ask.rule.key };
    const recorded = await parts.records.findVerdict(key);
    if (recorded !== undefined) return fromRecord(ask, recorded);
    const loaded = options.manifest ?? (await load(ask, digest));
    if ('outcome' in loaded) return loaded;
    const granted = await memory.findGrant(key, 'manifest');
    const item = parse(ask, digest, loaded, granted);
    if ('outcome' in item) return item;
    const held = granted !== undefined && (await isUpheld(ask, granted)) ? granted : undefined;
    // Whoever can push can let a list of referrers be any index, a signed image among them, and the list grants nothing
    // of what it names. So an index is judged like an image first.
    const isList = held?.kind === 'attachment' && item.manifest.kind === 'index';
    if (held !== undefined && !isList) return admitByGrant(ask, item, held);
    const attached = await admitAsAttachment(ask, item);
    if (attached?.outcome === 'admitted') return attached;
    const decision = await admitByRule(ask, item, options.pin);
    if (decision.outcome === 'refused' && isList) return asList(ask, item, held);
    // What it is attached to could not be decided now, so a denial would say too much.
    return decision.outcome === 'refused' ? (attached ?? decision) : decision;
  }

  /** Audit mode grants what an image names although the image was not admitted; its own verdict is then asked for. */
  async function isUpheld({ repository, rule }: Ask, { because }: GrantRecord): Promise<boolean> {
    if (rule.mode === 'enforce') return true;
    const key = { repository, digest: because, policyKey: rule.key };
    return (await parts.records.findVerdict(key)) !== undefined;
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

  async function fromRecord(ask: Ask, record: VerdictRecord): Promise<Decision> {
    const loaded = await load(ask, record.digest);
    if ('outcome' in loaded) return loaded;
    await keepIfFetched(record.digest, loaded);
    // Our own writing: the row was found under the key of the rule in force.
    const verdict = JSON.parse(record.verdict) as Verdict;
    return admitted(ask, { ...record, bytes: loaded.bytes }, verdict, 'records');
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
    const scope = { repository, policyKey: rule.key, because: granted.because };
    const parent = await parts.records.findVerdict({ ...scope, digest: granted.because });
    const signers = parent === undefined ? [] : (JSON.parse(parent.verdict) as Verdict).signers;
    if (granted.kind === 'attachment') {
      const verdict = { ...admittedBecause(`attached to ${granted.because}`), signers };
      const grants = isAttachment(item.manifest, item.bytes)
        ? attachmentGrantsOf(item.manifest, scope)
        : [];
      return remember(ask, item, verdict, grants);
    }
    const verdict = { ...admittedBecause(`part of the admitted ${granted.because}`), signers };
    return remember(ask, item, verdict, grantsOf(item.manifest, scope));
  }

  function asList(ask: Ask, item: Case, { because }: GrantRecord): Admitted {
    const verdict = admittedBecause(`the list of what is attached to ${because}`);
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
    const subject = await admit({ ...ask, depth: ask.depth + 1 }, digest);
    if (subject.outcome === 'refused') return isUndetermined(subject.code) ? subject : undefined;
    if (subject.verdict.outcome !== 'admitted') return undefined;
    const scope = { repository: ask.repository, policyKey: ask.rule.key, because: digest };
    const verdict = admittedBecause(`attached to the admitted ${digest}`);
    return remember(ask, item, verdict, attachmentGrantsOf(manifest, scope));
  }

  async function admitByRule(ask: Ask, item: Case, pin: PinRecord | undefined): Promise<Decision> {
    const { repository, rule } = ask;
    const judgement = await judge(item, rule, ask, {
      trustRoots: parts.trustRoots,
      exhaustive: parts.exhaustive ?? false,
    });
    const { verdict } = judgement;
    const scope = { repository, policyKey: rule.key, because: item.digest };
    const grants = [
      ...grantsOf(item.manifest, scope),
      ...(await keepSignatures(ask, item, judgement)),
    ];
    if (verdict.outcome === 'admitted') return remember(ask, item, verdict, grants, pin);
    const refused = refuseVerdict(ask.reference, item.digest, rule, verdict);
    if (rule.mode === 'enforce') return refused;
    // Audit: the content may be served, the verdict is not kept, so a signature made later is seen.
    await memory.keepBytes(item.digest, item.bytes);
    await memory.record({ grants, ...(pin === undefined ? {} : { pin }) });
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
      const { mediaType } = manifest;
      grants.push(grant({ digest, mediaType, size: found.bytes.length }, 'attachment', scope));
      grants.push(...attachmentGrantsOf(manifest, scope));
      for (const layer of manifest.layers) {
        const content = source?.contents.get(layer.digest);
        if (content !== undefined) await memory.keepBytes(layer.digest, content);
      }
    }
    return grants;
  }

  async function remember(
    ask: Ask,
    item: Case,
    verdict: Verdict,
    grants: readonly GrantRecord[],
    pin?: PinRecord,
  ): Promise<Admitted> {
    await memory.keepBytes(item.digest, item.bytes);
    const { mediaType } = item.manifest;
    await memory.record({
      verdict: {
        repository: ask.repository,
        digest: item.digest,
        policyKey: ask.rule.key,
        mediaType,
        size: item.bytes.length,
        verdict: JSON.stringify(verdict),
        decidedAt: parts.clock(),
      },
      grants,
      ...(pin === undefined ? {} : { pin }),
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
