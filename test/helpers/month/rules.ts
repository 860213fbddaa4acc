/** What the rules of the simulated month say: six repositories, of which each has a rule of its own. */
import { DAY, HOUR } from '../../verify/notation/revocation/made-revocation.ts';
import type { TestRule } from '../proxy.ts';

/** What a scan is called. */
export const VULN = 'https://cosign.sigstore.dev/attestation/vuln/v1';

const SIGNED = { key: { trustRoot: 'release' } } as const;
const SCANNED = {
  attestation: { type: VULN, by: SIGNED, maxAge: 7 * DAY },
} as const;
const VENDORS = {
  notation: { trustRoot: 'vendor', identities: ['x509.subject: C=DE, ST=BY, O=Vendor'] },
} as const;
/** Upstream is asked before the answer, so that each pull sees what came of it. */
const TAGS = { refresh: HOUR, background: 0, maxStale: 3 * DAY } as const;

function rule(name: string, rest: Omit<TestRule, 'match'>): TestRule {
  return { name, match: [`lab.local/team/${name}`], reverify: DAY, tags: TAGS, ...rest };
}

/** Each has the name of its repository. */
export const RULES: readonly TestRule[] = [
  rule('app', { require: SIGNED }),
  rule('web', {
    require: SIGNED,
    tags: { ...TAGS, onUnverifiedMove: 'hold', onDelete: 'keep' },
  }),
  rule('base', { require: SIGNED, tags: { ...TAGS, cooldown: 72 * HOUR } }),
  rule('db', { require: SIGNED, reverify: 7 * DAY }),
  rule('tool', { require: VENDORS }),
  rule('scan', { require: SCANNED }),
];
