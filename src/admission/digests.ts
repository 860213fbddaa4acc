/** A digest in a repository: admitted by its verdict, by the index that names it, as an attachment, or by signatures. */
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord, VerdictRecord } from '../store/records.ts';
import { MAX_MANIFEST, STALE_MEMORY } from './bounds.ts';
import { admitted, createDeciding, type Case, type Ruling } from './deciding.ts';
import { isOpen, type Decision, type Refused } from './decision.ts';
import { boundTag, holds, isDue } from './expiry.ts';
import { membersOf } from './graph.ts';
import { knownIn, type AdmitSubject, type Held } from './held.ts';
import type { Local } from './local.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { refuse, refuseManifest } from './refusal.ts';
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
  /** Verified again although what was decided holds; an outage is then an answer too. */
  readonly again?: boolean;
}

/** How often a decision is made anew while something is withdrawn meanwhile. */
const LOOKS = 4;

export interface Digests {
  admit(ask: Ask, digest: Digest, options?: DigestOptions): Promise<Decision>;
  /** The manifest's bytes, from the cache or from upstream; a refusal where neither has them. */
  load(ask: Ask, digest: Digest): Promise<AtHand | Refused>;
}

export function createDigests(
  parts: AdmissionParts,
  memory: Memory,
  held: Held,
  local: Local,
  admitSubject: AdmitSubject,
): Digests {
  const deciding = createDeciding(parts, memory, held, local, admitSubject);

  async function admit(ask: Ask, digest: Digest, options: DigestOptions = {}): Promise<Decision> {
    const { asImage = false, again = false } = options;
    const tag = boundTag(ask, asImage);
    const key = { repository: ask.repository, digest, tag, policyKey: ask.rule.key };
    const recorded = await parts.records.findVerdict(key);
    const known = knownIn(recorded);
    if (recorded === undefined || known === undefined) {
      return decide(ask, digest, options, { again: false, standing: false });
    }
    const { verdict, decidedAt } = known;
    const now = parts.clock();
    const { rule } = ask;
    const stands = holds(verdict, rule, now, parts.exceptions) && !memory.isWithdrawn(key);
    const usable = stands && !(asImage && verdict.attached === true);
    if (usable && !again && !isDue(decidedAt, rule, now)) {
      return fromRecord(ask, recorded, verdict, decidedAt + rule.reverify);
    }
    const end = decidedAt + rule.reverify + rule.tags.maxStale;
    const decision = await decide(ask, digest, options, {
      again: verdict.attached !== true,
      standing: usable && now < end,
    });
    if (decision.outcome === 'admitted' || !usable || again) return decision;
    return now < end && isOpen(decision.code)
      ? standIn(ask, recorded, { verdict, due: Math.min(now + STALE_MEMORY, end) }, decision)
      : decision;
  }

  /** What was decided lasts a little longer while nobody can be asked. */
  async function standIn(
    ask: Ask,
    recorded: VerdictRecord,
    { verdict, due }: { readonly verdict: Verdict; readonly due: number },
    refusal: Refused,
  ): Promise<Decision> {
    const decision = await fromRecord(ask, recorded, verdict, due);
    if (decision.outcome === 'refused') return refusal;
    const warning = `stale: it could not be verified again: ${refusal.reasons.join('; ')}`;
    // An exception is told first: the words of an outage are many.
    const { warning: first } = decision;
    return { ...decision, warning: first === undefined ? warning : `${first}; ${warning}` };
  }

  /** Decides anew where something was withdrawn meanwhile that it rests on, or the operator said something else. */
  async function decide(...question: Parameters<typeof decideOnce>): Promise<Decision> {
    const [ask, digest] = question;
    for (let look = 1; ; look++) {
      const announced = await memory.announced();
      const { withdrawals } = memory;
      const decision = await decideOnce(...question);
      const isHeard = announced === (await memory.announced());
      if (decision !== undefined && (isHeard || decision.outcome === 'refused')) return decision;
      // It was written after the operator's word, and may rest on what that took back.
      if (decision !== undefined) await takeBack(ask, digest);
      if (look === LOOKS || memory.withdrawals === withdrawals) {
        const reason = 'what lets it in is being withdrawn';
        return refuse('unreachable', formatReference(ask.reference), [reason], '', ask);
      }
    }
  }

  async function takeBack({ repository, rule }: Ask, digest: Digest): Promise<void> {
    await memory.withdraw({ repository, digest, policyKey: rule.key });
  }

  async function decideOnce(
    ask: Ask,
    digest: Digest,
    { manifest, asImage = false }: DigestOptions,
    before: Omit<Ruling, 'tag'>,
  ): Promise<Decision | undefined> {
    const { withdrawals } = memory;
    const tag = boundTag(ask, asImage);
    const loaded = manifest ?? (await load(ask, digest));
    if ('outcome' in loaded) return loaded;
    const granted = await held.findManifest(ask, digest, asImage);
    if (granted !== undefined && 'outcome' in granted) return granted;
    const item = parse(ask, digest, loaded, granted);
    if ('outcome' in item) return item;
    // Whoever can push can let a list of referrers be any index, a signed image among them, and the list grants nothing
    // of what it names. So an index is judged like an image first.
    const isList = granted?.kind === 'attachment' && item.manifest.kind === 'index';
    if (granted !== undefined && !isList) {
      return deciding.byGrant(ask, item, granted, withdrawals);
    }
    const attached = asImage ? undefined : await deciding.asAttachment(ask, item, withdrawals);
    if (attached === 'withdrawn') return undefined;
    if (attached?.outcome === 'admitted') return attached;
    const decision = await deciding.byRule(ask, item, { ...before, tag });
    if (decision.outcome === 'refused' && isList) return deciding.asList(ask, item, granted);
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

  async function fromRecord(
    ask: Ask,
    record: VerdictRecord,
    verdict: Verdict,
    due: number,
  ): Promise<Decision> {
    const loaded = await load(ask, record.digest);
    if ('outcome' in loaded) return loaded;
    await keepIfFetched(record.digest, loaded);
    if (verdict.attached !== true) {
      memory.link(record.digest, membersOf(parseManifest(loaded.bytes, record.mediaType)));
    }
    return admitted(ask, { ...record, bytes: loaded.bytes }, verdict, 'records', due);
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
      return { digest, bytes, manifest };
    } catch (error) {
      if (error instanceof SyntaxError)
        return refuseManifest(asked, digest, ask.rule, error.message);
      throw error;
    }
  }

  return { admit, load };
}
