/** Podman: by direct names, and with a registries.conf that rewrites the upstream to the proxy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { labControlGroup } from '../namespace.ts';
import { run } from '../process.ts';
import { toolPath } from '../tools.ts';
import { join, type Client, type ClientKind, type ClientSetting, type Target } from './client.ts';

/** What the libraries shared by podman and skopeo print when a layer breaks off. */
export const brokenBlob = /EOF|happened during read|cannot be served|502 \(?Bad Gateway/;

export const podmanKinds: readonly ClientKind[] = [
  kind('podman', false),
  kind('podman, rewritten', true),
];

/** A registries.conf that leaves the proxy as the only way to the upstream. */
export function writeRegistriesConf(folder: string, proxy: string): string {
  const file = joinPath(folder, 'registries.conf');
  writeFileSync(
    file,
    [
      '[[registry]]',
      'prefix = "lab.local"',
      `location = "${proxy}/lab.local"`,
      'insecure = true',
      '[[registry]]',
      `location = "${proxy}"`,
      'insecure = true',
      '',
    ].join('\n'),
  );
  return file;
}

function kind(name: string, rewritten: boolean): ClientKind {
  return {
    name,
    way: rewritten ? 'redirected' : 'direct',
    thorough: rewritten,
    voice: 'message',
    brokenBlob,
    needs: ['podman', 'runc'],
    start: async (setting) => startPodman(rewritten, setting),
  };
}

function startPodman(rewritten: boolean, { proxy, folder }: ClientSetting): Client {
  mkdirSync(folder, { recursive: true });
  const env = { CONTAINERS_REGISTRIES_CONF: writeRegistriesConf(folder, proxy) };
  let generation = 1;
  const podman = (...args: readonly string[]) =>
    run(
      toolPath('podman'),
      [
        ...['--root', joinPath(folder, `root-${generation}`), '--storage-driver', 'overlay'],
        ...['--runroot', joinPath(folder, `run-${generation}`), '--cgroup-manager', 'cgroupfs'],
        ...['--tmpdir', joinPath(folder, `tmp-${generation}`), '--runtime', 'runc'],
        ...['--events-backend', 'none', ...args],
      ],
      { env },
    );
  const nameOf = ({ repository, reference }: Target) =>
    join(`${rewritten ? '' : `${proxy}/`}lab.local/${repository}`, reference);

  return {
    pull: async (target) => {
      const name = nameOf(target);
      const { status, output } = await podman('pull', name);
      if (status !== 0) return { ok: false, output };
      const { stdout } = await podman('image', 'inspect', '--format', '{{.Digest}}', name);
      return { ok: true, output, digest: stdout.trim() };
    },
    run: async (target) => {
      const limits = ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=4096:4096'];
      const { output } = await podman(
        ...['run', '--rm', '--network', 'none', '--cgroup-parent', labControlGroup],
        ...[...limits, nameOf(target)],
      );
      return output;
    },
    fresh: async () => {
      generation += 1;
    },
    stop: async () => {
      await podman('rmi', '--all', '--force');
    },
  };
}
