/** A test's folder, which is removed after everything that the test opened in it was closed. */
import type { Test } from 'tap';

type Content = Parameters<Test['testdir']>[0];

/** tap removes its folder before whatever is torn down, unless something was to be torn down already. */
export function testdir(t: Pick<Test, 'testdir' | 'teardown'>, content: Content = {}): string {
  t.teardown(() => undefined);
  return t.testdir(content);
}
