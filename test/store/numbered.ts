/** Blobs and decisions by number, the same in every process. */
import { parseRepository } from '../../src/oci/reference.ts';
import type { GrantRecord, VerdictRecord } from '../../src/store/records.ts';
import type { PinRecord } from '../../src/store/tag-records.ts';
import { someContent, type Content } from './sources.ts';

const repository = parseRepository('registry.example', 'some/image');

export function numberedContent(number: number): Content {
  return someContent(1000 + ((number * 7919) % 60_000), number);
}

export interface NumberedDecision {
  readonly verdict: VerdictRecord;
  readonly grants: readonly [GrantRecord, GrantRecord];
  readonly pin: PinRecord;
}

export function decisionOf(number: number): NumberedDecision {
  const { digest, size } = numberedContent(number);
  const key = { repository, digest, policyKey: 'rule', mediaType: 'application/json', size };
  return {
    verdict: { ...key, verdict: '{}', decidedAt: number },
    grants: [
      { ...key, kind: 'blob', because: digest },
      { ...key, kind: 'manifest', because: digest },
    ],
    pin: { repository, tag: `t${number}`, digest, checkedAt: number, since: number },
  };
}
