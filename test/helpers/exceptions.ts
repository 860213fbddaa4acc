/** Exceptions for images of a lab, and putting them in force as a reload does. */
import type { Digest } from '../../src/oci/digest.ts';
import type { Exception } from '../../src/policy/exception.ts';
import { SIGNED, type Lab } from './lab.ts';
import type { TestRule } from './proxy.ts';

/** A week after a lab's clock begins. */
export const EXPIRES = Date.UTC(2026, 0, 8);

/** Under the one rule of a lab. */
export function exceptionFor(digest: Digest, change: Partial<Exception> = {}): Exception {
  return {
    digest,
    rule: 'releases',
    reason: 'the vendor signs again soon',
    expires: EXPIRES,
    ...change,
  };
}

/** The rule of a lab with these exceptions, and no memory of what was decided. */
export function except(
  { proxy }: Pick<Lab, 'proxy'>,
  exceptions: readonly Exception[],
  rule: Partial<TestRule> = {},
): void {
  const policy = { name: 'releases', match: ['lab.local/**'], ...SIGNED, ...rule };
  proxy.reload([policy], undefined, exceptions);
}
