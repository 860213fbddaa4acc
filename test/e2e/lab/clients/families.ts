/** One client of each family, each led by other names and voices, for tests of signatures rather than of clients. */
import { containerdKinds } from './containerd.ts';
import { dockerKinds } from './docker.ts';
import { podmanKinds } from './podman.ts';
import type { ClientKind } from './client.ts';

export const oneOfEachFamily: readonly ClientKind[] = [
  find(dockerKinds, 'docker with its graph store'),
  find(containerdKinds, 'containerd 2 with hosts.toml'),
  find(podmanKinds, 'podman'),
];

function find(kinds: readonly ClientKind[], wanted: string): ClientKind {
  const found = kinds.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`expected a client named ${wanted}`);
  return found;
}
