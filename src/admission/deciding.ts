/** What makes a verdict of a manifest: a grant, what it is attached to, or the signatures that the rule demands. */
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatRepository } from '../oci/reference.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord } from '../store/records.ts';
import { isAttachment } from './attachment.ts';
import { MAX_ATTACHMENT_DEPTH } from './bounds.ts';
import {
  isUndetermined,
  type Admitted,
  type Decision,
  type DecisionSource,
  type Refused,
} from './decision.ts';
import { orExcepted, restingOn, warningOf } from './exceptions.ts';
import { dueAt } from './expiry.ts';
import { attachmentGrantsOf, grant, grantsOf, membersOf } from './graph.ts';
import type { AdmitSubject, Held } from './held.ts';
import { admittedBecause, attachedBecause, judge, type Judgement } from './judge.ts';
import type { Local } from './local.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { refuseVerdict } from './refusal.ts';

/** A manifest on its way to a verdict. */
export interface Case {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly manifest: Manifest;
}

/** How the signatures are looked at. */
export interface Ruling {
  /** For which tag it is decided, where the rule binds it. */
  readonly tag: string | undefined;
  /** It was admitted before: where it is denied now, that is taken back. */
  readonly again: boolean;
  /** What was decided before still stands in where signatures cannot be looked at, so no exception need do so. */
  readonly standing: boolean;
}

interface Written {
  readonly tag?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly decidedAt?: number | undefined;
  /** When it is verified again unasked; milliseconds since the epoch. */
  readonly dueAt: number | undefined;
}

export interface Deciding {
  /**
   * @param withdrawals as they were when the grant was found; see {@link Memory.withdrawals}.
   * @returns undefined where something was withdrawn since.
   */
  byGrant(
    ask: Ask,
    item: Case,
    granted: GrantRecord,
    withdrawals: number,
  ): Promise<Decision | undefined>;
  /** A list of what is attached to an image; it grants nothing of what it names. */
  asList(ask: Ask, item: Case, granted: GrantRecord): Admitted;
  /**
   * An attachment of an admitted digest is served so that others can verify too; nothing runnable passes as one.
   * @returns a refusal only where that digest cannot be decided now.
   */
  asAttachment(
    ask: Ask,
    item: Case,
    withdrawals: number,
  ): Promise<Decision | 'withdrawn' | undefined>;
  byRule(ask: Ask, item: Case, ruling: Ruling): Promise<Decision>;
}

export function createDeciding(
  parts: AdmissionParts,
  memory: Memory,
  held: Held,
  local: Local,
  admitSubject: AdmitSubject,
): Deciding {
  async function keep({ digest, bytes, manifest }: Case): Promise<void> {
    await memory.keepBytes(digest, bytes);
    memory.link(digest, membersOf(manifest));
  }

  async function byGrant(
    ask: Ask,
    item: Case,
    granted: GrantRecord,
    withdrawals: number,
  ): Promise<Decision | undefined> {
    const { repository, rule } = ask;
    if (granted.kind === 'attachment') memory.attach(granted.because, item.digest);
    const scope = { repository, policyKey: rule.key, because: granted.because };
    const parent = await held.findKnown({ ...scope, digest: granted.because });
    const signers = parent?.verdict.signers ?? [];
    const basis = parent?.verdict ?? {};
    const end = parent?.verdict.until;
    const until = end === undefined ? {} : { until: end };
    if (granted.kind === 'attachment') {
      const attached = { ...attachedBecause(`attached to ${granted.because}`), signers };
      const verdict = restingOn(attached, basis);
      const grants = isAttachment(item.manifest, item.bytes)
        ? attachmentGrantsOf(item.manifest, scope)
        : [];
      return remember(ask, item, verdict, grants, { withdrawals });
    }
    const part = admittedBecause(`part of the admitted ${granted.because}`);
    const verdict = restingOn({ ...part, signers, ...until }, basis);
    // It is as old as what it rests on.
    const { decidedAt } = parent ?? {};
    const grants = grantsOf(item.manifest, { ...scope, because: item.digest });
    return remember(ask, item, verdict, grants, { decidedAt, withdrawals });
  }

  function asList(ask: Ask, item: Case, { because }: GrantRecord): Admitted {
    const verdict = attachedBecause(`the list of what is attached to ${because}`);
    const { mediaType } = item.manifest;
    const due = Number.POSITIVE_INFINITY;
    return { ...admitted(ask, { ...item, mediaType }, verdict, 'fresh', due), fleeting: true };
  }

  async function asAttachment(
    ask: Ask,
    item: Case,
    withdrawals: number,
  ): Promise<Decision | 'withdrawn' | undefined> {
    const { manifest } = item;
    if (ask.rule.action.kind !== 'require' || ask.depth >= MAX_ATTACHMENT_DEPTH) return undefined;
    if (!isAttachment(manifest, item.bytes) || manifest.subject === undefined) return undefined;
    const { digest } = manifest.subject;
    const subject = await admitSubject({ ...ask, depth: ask.depth + 1 }, digest);
    if (subject.outcome === 'refused') return isUndetermined(subject.code) ? subject : undefined;
    if (subject.verdict.outcome !== 'admitted') return undefined;
    const scope = { repository: ask.repository, policyKey: ask.rule.key, because: digest };
    const verdict = restingOn(
      attachedBecause(`attached to the admitted ${digest}`),
      subject.verdict,
    );
    memory.attach(digest, item.digest);
    const grants = attachmentGrantsOf(manifest, scope);
    return (await remember(ask, item, verdict, grants, { withdrawals })) ?? 'withdrawn';
  }

  async function byRule(ask: Ask, item: Case, ruling: Ruling): Promise<Decision> {
    const { repository, rule } = ask;
    const { tag, again } = ruling;
    const judgement = await judge(
      item,
      rule,
      { ...ask, tag },
      {
        trustRoots: parts.trustRoots,
        exhaustive: parts.exhaustive ?? false,
        now: parts.clock(),
        local,
        ...(parts.revocation !== undefined && { revocation: parts.revocation }),
      },
    );
    const verdict = orExcepted(
      { ...ask, ...ruling, digest: item.digest },
      judgement.verdict,
      parts,
    );
    const scope = { repository, policyKey: rule.key, because: item.digest };
    const grants = [
      ...grantsOf(item.manifest, scope),
      ...(await keepSignatures(ask, item, judgement)),
    ];
    if (verdict.outcome === 'admitted') {
      // Bound to its tag it is good for its digest all the more: that record carries the grants.
      await keep(item);
      const decidedAt = parts.clock();
      const written = { decidedAt, dueAt: dueAt(item.digest, verdict, decidedAt, rule) };
      const admitted = await write(ask, item, verdict, grants, written);
      return tag === undefined ? admitted : write(ask, item, verdict, [], { ...written, tag });
    }
    const refused = refuseVerdict(ask.reference, item.digest, rule, verdict);
    if (again && verdict.outcome === 'denied') await withdraw(ask, refused, item.digest, tag);
    if (rule.mode === 'enforce') return refused;
    // Audit: the content may be served, the verdict is not kept, so a signature made later is seen.
    await keep(item);
    await memory.record({ grants });
    const never = Number.POSITIVE_INFINITY;
    return {
      ...admitted(ask, { ...item, mediaType: item.manifest.mediaType }, verdict, 'fresh', never),
      warning: `audit mode: ${refused.message}`,
    };
  }

  /** What was served is served no longer, with all that it let in; people are told before somebody asks for it. */
  async function withdraw(
    { repository, rule }: Ask,
    refused: Refused,
    digest: Digest,
    tag: string | undefined,
  ): Promise<void> {
    if (!(await memory.withdraw({ repository, digest, tag, policyKey: rule.key }))) return;
    parts.logger.error(
      { image: `${formatRepository(repository)}@${digest}`, tag, rule: rule.name, mode: rule.mode },
      `withdrawn: ${refused.reasons.join('; ')}`,
    );
    parts.onWithdrawn?.(rule.name);
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

  /** What rests on something else is not remembered where anything was withdrawn meanwhile: it may have been that. */
  async function remember(
    ask: Ask,
    item: Case,
    verdict: Verdict,
    grants: readonly GrantRecord[],
    {
      withdrawals,
      decidedAt,
    }: { readonly withdrawals: number; readonly decidedAt?: number | undefined },
  ): Promise<Admitted | undefined> {
    await (verdict.attached === true ? memory.keepBytes(item.digest, item.bytes) : keep(item));
    // From here to where it is written nobody else has a turn.
    if (memory.withdrawals !== withdrawals) return undefined;
    // It falls with what let it in, so nobody need look at it before.
    return write(ask, item, verdict, grants, { decidedAt, dueAt: undefined });
  }

  async function write(
    ask: Ask,
    item: Case,
    verdict: Verdict,
    grants: readonly GrantRecord[],
    { tag, decidedAt = parts.clock(), dueAt: due }: Written,
  ): Promise<Admitted> {
    const { repository, rule } = ask;
    const { mediaType } = item.manifest;
    await memory.record({
      verdict: {
        ...{ repository, digest: item.digest, tag, policyKey: rule.key, mediaType },
        size: item.bytes.length,
        verdict: JSON.stringify(verdict),
        decidedAt,
        dueAt: due,
      },
      grants,
    });
    return admitted(ask, { ...item, mediaType }, verdict, 'fresh', decidedAt + rule.reverify);
  }

  return { byGrant, asList, asAttachment, byRule };
}

/** The answer, with the bytes that it is about. `due` as in {@link Admitted}. */
export function admitted(
  ask: Ask,
  item: { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer },
  verdict: Verdict,
  source: DecisionSource,
  due: number,
): Admitted {
  const { digest, mediaType, bytes } = item;
  const warning = warningOf(verdict);
  return {
    outcome: 'admitted',
    digest,
    mediaType,
    bytes,
    rule: ask.rule.name,
    verdict,
    source,
    due,
    ...(warning === undefined ? {} : { warning }),
  };
}
