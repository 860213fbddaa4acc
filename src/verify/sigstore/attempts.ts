/** Several ways to believe one signature, of which one is enough: what one of them finds hides nothing of another. */
import { UntrustedError } from '../candidate.ts';

/**
 * The results of all attempts that succeed.
 * @throws {SyntaxError} when none does and one found something that does not hold.
 * @throws {UntrustedError} when none does and nobody knows the signer; with the words of the first, or with `nobody`
 * where there was nothing to try.
 */
export function attemptAll<T>(
  attempts: readonly (() => readonly T[])[],
  nobody: string,
): readonly T[] {
  const results: T[] = [];
  const invalid: SyntaxError[] = [];
  const untrusted: UntrustedError[] = [];
  for (const attempt of attempts) {
    try {
      results.push(...attempt());
    } catch (error) {
      if (error instanceof SyntaxError) invalid.push(error);
      else if (error instanceof UntrustedError) untrusted.push(error);
      else throw error;
    }
  }
  if (results.length > 0) return results;
  throw invalid[0] ?? untrusted[0] ?? new UntrustedError(nobody);
}
