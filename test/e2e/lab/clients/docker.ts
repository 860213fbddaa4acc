/** Docker: a daemon of its own per client, by direct names and through `registry-mirrors`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join as joinPath } from 'node:path';
import { labControlGroup } from '../namespace.ts';
import { run, startDaemon, type Daemon } from '../process.ts';
import { toolPath, type Tool } from '../tools.ts';
import { join, type Client, type ClientKind, type ClientSetting, type Target } from './client.ts';

interface Flavour {
  readonly docker: Tool;
  readonly dockerd: Tool;
  readonly containerd: Tool;
  /** The containerd image store, which newer versions use by default. */
  readonly containerdStore: boolean;
  /** Bare names that the daemon takes to its mirror, instead of names that begin with the proxy. */
  readonly mirror: boolean;
}

const older = { docker: 'docker', dockerd: 'dockerd', containerd: 'containerd' } as const;
const newer = {
  docker: 'newer docker',
  dockerd: 'newer dockerd',
  containerd: 'newer containerd',
} as const;

const graph = { ...older, containerdStore: false };
const store = { ...newer, containerdStore: true };

const brokenBlob = /EOF|unexpected commit|cannot be served|502 Bad Gateway/;

/** How often a container that says nothing is started again. */
const ATTEMPTS = 5;

export const dockerKinds: readonly ClientKind[] = [
  kind('docker with its graph store', 'message', { ...graph, mirror: false }),
  kind('docker with its graph store, mirrored', 'daemon log', { ...graph, mirror: true }),
  kind('docker with the containerd store', 'reason phrase', { ...store, mirror: false }),
  kind('docker with the containerd store, mirrored', 'reason phrase', { ...store, mirror: true }),
];

function kind(name: string, voice: ClientKind['voice'], flavour: Flavour): ClientKind {
  return {
    name,
    way: flavour.mirror ? 'redirected' : 'direct',
    thorough: flavour.mirror && flavour.containerdStore,
    voice,
    brokenBlob,
    needs: [flavour.docker, flavour.dockerd, flavour.containerd, 'runc'],
    start: (setting) => startDocker(flavour, setting),
  };
}

async function startDocker(flavour: Flavour, { proxy, folder }: ClientSetting): Promise<Client> {
  mkdirSync(joinPath(folder, 'config'), { recursive: true });
  const socket = `unix://${folder}/docker.sock`;
  const configFile = joinPath(folder, 'daemon.json');
  writeFileSync(
    configFile,
    JSON.stringify({
      features: { 'containerd-snapshotter': flavour.containerdStore },
      'registry-mirrors': flavour.mirror ? [`http://${proxy}`] : [],
      ...(flavour.containerdStore ? {} : { 'storage-driver': 'overlay2' }),
    }),
  );
  let generation = 0;
  let containers = 0;
  const docker = (...args: readonly string[]) =>
    run(toolPath(flavour.docker), ['--config', joinPath(folder, 'config'), '-H', socket, ...args]);
  const boot = () => {
    generation += 1;
    return startDaemon(
      'dockerd',
      toolPath(flavour.dockerd),
      [
        ...['--config-file', configFile, '-H', socket, '-p', joinPath(folder, 'docker.pid')],
        ...['--iptables=false', '--ip6tables=false', '--bridge=none'],
        // A broken layer stays broken; without this the daemon waits minutes between attempts.
        ...['--max-download-attempts', '1'],
        ...['--data-root', joinPath(folder, `data-${generation}`)],
        ...['--exec-root', joinPath(folder, 'run'), '--cgroup-parent', labControlGroup],
      ],
      {
        // The daemon starts the containerd that it finds first.
        env: {
          PATH: `${dirname(toolPath(flavour.containerd))}:${process.env['PATH'] ?? ''}:/usr/sbin`,
        },
        ready: async () => (await docker('info')).status === 0,
      },
    );
  };
  let daemon: Daemon = await boot();
  const nameOf = ({ repository, reference }: Target) =>
    join(flavour.mirror ? repository : `${proxy}/lab.local/${repository}`, reference);

  return {
    pull: async (target) => {
      const logged = daemon.output().length;
      const { status, output } = await docker('pull', nameOf(target));
      if (status !== 0) {
        // What the daemon says of a mirror it gave up on never reaches the person.
        const log = flavour.mirror ? daemon.output().slice(logged) : '';
        return { ok: false, output: output + log };
      }
      const digest = /Digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1];
      return { ok: true, output, ...(digest === undefined ? {} : { digest }) };
    },
    run: async (target) => {
      containers += 1;
      const name = `lab-${containers}`;
      const { output } = await docker('run', '--name', name, '--network', 'none', nameOf(target));
      if (output !== '') return output;
      // On a busy machine a container may be gone before anybody listens to it, and may be so quick that its log is
      // empty as well: then it is started again, which prints what it printed.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const { output: logged } = await docker('logs', name);
        if (logged !== '') return logged;
        const again = await docker('start', '--attach', name);
        if (again.output !== '') return again.output;
      }
      return '';
    },
    fresh: async () => {
      await daemon.stop();
      daemon = await boot();
    },
    stop: async () => {
      await daemon.stop();
    },
  };
}
