/** containerd driven by ctr: with `hosts.toml` that leaves only the proxy, and by direct names. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join as joinPath } from 'node:path';
import { labControlGroup } from '../namespace.ts';
import { run, startDaemon, type Daemon } from '../process.ts';
import { toolPath, type Tool } from '../tools.ts';
import { join, type Client, type ClientKind, type ClientSetting, type Target } from './client.ts';

interface Flavour {
  readonly containerd: Tool;
  readonly ctr: Tool;
  /** Names of the upstream itself, which `hosts.toml` sends to the proxy with `?ns=`. */
  readonly hostsFile: boolean;
}

/** Attempts to run a container that seems to say nothing. */
const RUNS = 3;

const older = { containerd: 'containerd', ctr: 'ctr' } as const;
const newer = { containerd: 'newer containerd', ctr: 'newer ctr' } as const;

export const containerdKinds: readonly ClientKind[] = [
  kind('containerd 1.6 with hosts.toml', { ...older, hostsFile: true }),
  kind('containerd 1.6 by direct names', { ...older, hostsFile: false }),
  kind('containerd 2 with hosts.toml', { ...newer, hostsFile: true }),
  kind('containerd 2 by direct names', { ...newer, hostsFile: false }),
];

function kind(name: string, flavour: Flavour): ClientKind {
  return {
    name,
    way: flavour.hostsFile ? 'redirected' : 'direct',
    thorough: flavour.hostsFile && flavour.containerd === newer.containerd,
    voice: 'reason phrase',
    brokenBlob: /EOF|unexpected commit|cannot be served|502 Bad Gateway/,
    needs: [flavour.containerd, flavour.ctr, 'runc'],
    start: (setting) => startContainerd(flavour, setting),
  };
}

async function startContainerd(
  flavour: Flavour,
  { proxy, folder }: ClientSetting,
): Promise<Client> {
  const socket = joinPath(folder, 'containerd.sock');
  const hostsFolder = joinPath(folder, 'certs.d');
  mkdirSync(joinPath(hostsFolder, 'lab.local'), { recursive: true });
  writeFileSync(
    joinPath(hostsFolder, 'lab.local', 'hosts.toml'),
    [
      `server = "http://${proxy}"`,
      `[host."http://${proxy}"]`,
      'capabilities = ["pull", "resolve"]',
      '',
    ].join('\n'),
  );
  let generation = 0;
  const ctr = (...args: readonly string[]) =>
    run(toolPath(flavour.ctr), ['--address', socket, ...args]);
  const boot = () => {
    generation += 1;
    const configFile = joinPath(folder, `config-${generation}.toml`);
    writeFileSync(
      configFile,
      [
        'version = 2',
        `root = "${folder}/root-${generation}"`,
        `state = "${folder}/state-${generation}"`,
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", ' +
          '"io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]',
        `[grpc]\naddress = "${socket}"`,
        '',
      ].join('\n'),
    );
    return startDaemon('containerd', toolPath(flavour.containerd), ['-c', configFile], {
      env: {
        PATH: `${dirname(toolPath(flavour.containerd))}:${process.env['PATH'] ?? ''}:/usr/sbin`,
      },
      ready: async () => (await ctr('version')).status === 0,
    });
  };
  let daemon: Daemon = await boot();
  let containers = 0;
  const nameOf = ({ repository, reference }: Target) =>
    join(`${flavour.hostsFile ? '' : `${proxy}/`}lab.local/${repository}`, reference);
  const way = flavour.hostsFile ? ['--hosts-dir', hostsFolder] : ['--plain-http'];

  return {
    pull: async (target) => {
      const name = nameOf(target);
      const { status, output } = await ctr('images', 'pull', ...way, name);
      if (status !== 0) return { ok: false, output };
      const list = await ctr('images', 'list', `name==${name}`);
      const digest = /sha256:[0-9a-f]{64}/.exec(list.stdout.replaceAll(name, ''))?.[0];
      return { ok: true, output, ...(digest === undefined ? {} : { digest }) };
    },
    run: async (target) => {
      // On a busy machine a container may be gone before ctr has copied what it printed: it says it again.
      for (let attempt = 1; ; attempt += 1) {
        containers += 1;
        const id = `lab-${containers}`;
        const group = `${labControlGroup}/${id}`;
        const { output } = await ctr('run', '--rm', '--cgroup', group, nameOf(target), id);
        if (output !== '' || attempt === RUNS) return output;
      }
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
