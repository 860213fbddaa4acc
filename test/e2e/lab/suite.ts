/** Declares an end-to-end test that needs real programs: skipped without them, but a failure in CI. */
import t, { type Test } from 'tap';
import { labProblem } from './namespace.ts';
import { findMissing, type Tool } from './tools.ts';

/** Programs without which there is no upstream with signed images. */
export const upstreamTools: readonly Tool[] = [
  'busybox',
  'docker-registry',
  'cosign 2',
  'cosign 3',
  'newer skopeo',
];

/** Runs `body` as a test where the lab and all the `tools` are there. */
export function suite(
  name: string,
  tools: readonly Tool[],
  body: (t: Test) => Promise<void>,
): void {
  const missing = findMissing(tools);
  const problem =
    labProblem ??
    (missing.length > 0 ? `not installed: ${missing.join(', ')} (run .ci/install)` : undefined);
  if (problem === undefined) {
    t.test(name, body);
  } else if (process.env['CI'] === 'true') {
    t.test(name, (t) => {
      t.fail(problem);
      t.end();
    });
  } else {
    t.test(name, { skip: problem }, () => undefined);
  }
}
