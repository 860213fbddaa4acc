/** What discovery found, as short texts that tests compare. */
import type { Subject } from '../../src/verify/candidate.ts';
import type { Discovered } from '../../src/verify/discovered.ts';
import { discover, type Wanted } from '../../src/verify/discovery.ts';
import type { SignatureSource } from '../../src/verify/signature-source.ts';
import { SIMPLE_LAYER } from '../helpers/signer.ts';

/** What a rule that asks for signatures wants. */
export const SIGNATURES: Wanted = {
  signatures: true,
  attestations: false,
  accepts: (mediaType) => mediaType === SIMPLE_LAYER || mediaType.includes('sigstore.bundle'),
};

export async function all(
  source: SignatureSource,
  subject: Subject,
  wanted = SIGNATURES,
): Promise<readonly Discovered[]> {
  const items: Discovered[] = [];
  for await (const item of discover(subject, source, wanted)) items.push(item);
  return items;
}

/** Sorted: `candidate place`, `rejected text`, `trouble place` and so on. */
export async function told(
  source: SignatureSource,
  subject: Subject,
  wanted = SIGNATURES,
): Promise<readonly string[]> {
  const items = await all(source, subject, wanted);
  return items.map(tell).sort();
}

function tell(item: Discovered): string {
  switch (item.kind) {
    case 'candidate':
      return `candidate ${item.candidate.place}`;
    case 'finding':
      return `${item.finding.outcome} ${item.finding.text}`;
    default:
      return `${item.kind} ${item.place}`;
  }
}
