/** The whole other side of the proxy: a registry with its images, and those who signed them. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { prepareCases, type Cases } from './cases.ts';
import { labFolder } from './namespace.ts';
import { startRegistry, type Guard, type Registry } from './registry.ts';
import { createSigners, type Signers } from './signers.ts';

export interface Upstream {
  readonly registry: Registry;
  readonly signers: Signers;
  readonly cases: Cases;
}

/** Starts it for the length of a test. */
export async function startUpstream(t: Test, guard: Guard): Promise<Upstream> {
  const registry = await startRegistry(labFolder, guard);
  t.teardown(() => registry.close());
  const signers = await createSigners(join(labFolder, 'signers'), registry);
  const cases = await prepareCases(registry, signers);
  return { registry, signers, cases };
}
