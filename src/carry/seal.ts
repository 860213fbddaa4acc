/** The seal of an export: a signature over its record, so over everything in it, by somebody whom this side trusts. */
import { createUpstreamSource } from '../admission/upstream-source.ts';
import { parseRequirement } from '../policy/requirement.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { verifyImage } from '../verify/verify-image.ts';
import type { Bundle } from '../layout/bundle.ts';
import { layoutUpstream } from '../layout/layout-upstream.ts';
import type { Layout } from '../layout/layout.ts';

export interface SealOptions {
  /** Name of the root of public keys, one of which must have sealed it. */
  readonly sealedBy: string;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Milliseconds. */
const DEADLINE = 20_000;
/** Nobody's: a seal is in the layout or nowhere. */
const NOWHERE = { registry: 'countersign.invalid', path: 'seal' };

/** @returns why it is not sealed as it must be; undefined where it is. */
export async function findBrokenSeal(
  layout: Layout,
  bundle: Bundle | undefined,
  { sealedBy, trustRoots, now }: SealOptions,
): Promise<string | undefined> {
  const wanted = `imports.require asks for a seal by a key of ${JSON.stringify(sealedBy)}`;
  if (bundle === undefined) {
    return `${wanted}, and this layout is no export of Countersign's: only those can be sealed`;
  }
  const { digest, bytes, manifest, seals } = bundle;
  if (seals.length === 0) {
    return `${wanted}, and the bundle has none: export it with --key`;
  }
  const attachments = seals.map((descriptor) => ({
    ...{ repository: NOWHERE, subject: digest },
    descriptor,
  }));
  const upstream = layoutUpstream(NOWHERE.registry, layout, { images: [], attachments, notes: [] });
  const signal = AbortSignal.timeout(DEADLINE);
  const { evaluation, findings } = await verifyImage(
    { digest, bytes, mediaType: manifest.mediaType },
    {
      requirement: parseRequirement({ key: { trustRoot: sealedBy } }),
      trustRoots,
      source: createUpstreamSource(upstream, NOWHERE, signal),
      now,
      signal,
    },
  );
  if (evaluation.outcome === 'satisfied') return undefined;
  const told = findings.filter(({ outcome }) => outcome === 'rejected').map(({ text }) => text);
  const why = told.length > 0 ? told : [evaluation.because ?? 'it does not hold'];
  return `${wanted}, and the bundle's does not count: ${[...new Set(why)].slice(0, 3).join('; ')}`;
}
