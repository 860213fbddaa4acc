/** What discovery found, as short texts that tests compare. */
import type { Subject } from '../../src/verify/candidate.ts';
import { discover, type Discovered } from '../../src/verify/discovery.ts';
import type { SignatureSource } from '../../src/verify/signature-source.ts';
import { SIMPLE_LAYER } from '../helpers/signer.ts';

export const accepts = (mediaType: string) =>
  mediaType === SIMPLE_LAYER || mediaType.includes('sigstore.bundle');

export async function all(
  source: SignatureSource,
  subject: Subject,
): Promise<readonly Discovered[]> {
  const items: Discovered[] = [];
  for await (const item of discover(subject, source, accepts)) items.push(item);
  return items;
}

/** Sorted: `candidate place`, `rejected text`, `trouble place` and so on. */
export async function told(source: SignatureSource, subject: Subject): Promise<readonly string[]> {
  const items = await all(source, subject);
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
