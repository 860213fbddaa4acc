/** Gives a test file a room of its own: only loopback, only its own processes, only throw-away folders. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The throw-away folder, in memory and seen from inside alone: every lab has its own `/run`.
 * Short, because sockets may have short names only.
 */
export const labFolder = '/run/lab';

/**
 * What is prepared before the test file runs again inside. Nothing in here can reach another
 * machine, and when its first process ends the kernel takes everything away: processes, mounts,
 * sockets. The shell stays as that first process and collects orphans, which Node would not.
 */
const prepare = `
set -e
ip link set lo up
mount -t tmpfs -o mode=755 lab /run
mkdir -p /run/lock ${labFolder}/tmp ${labFolder}/home
for folder in /etc /var/lib; do
  own="${labFolder}/private$folder"
  mkdir -p "$own/upper" "$own/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$own/upper,workdir=$own/work" "$folder"
done
export TMPDIR=${labFolder}/tmp HOME=${labFolder}/home
set +e
"$@"
exit $?
`;

const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child'];
const controlGroups = '/sys/fs/cgroup';
const prefix = 'countersign-lab-';

const owner = process.env['COUNTERSIGN_LAB'];

/** Why there is no lab here, where there is none. */
export const labProblem = owner === undefined ? enter() : undefined;

/** The control group below which containers of this lab belong, so that it can be removed. */
export const labControlGroup = `/${prefix}${owner ?? ''}`;

/** Runs this very process again inside; returns only when that cannot be. */
function enter(): string {
  if (process.platform !== 'linux') return 'the lab needs Linux';
  if (process.getuid?.() !== 0) return 'the lab needs root';
  const attempt = spawnSync('unshare', [...namespaces, '--mount-proc', 'ip', 'link'], {
    encoding: 'utf8',
  });
  if (attempt.status !== 0) {
    return `the lab needs namespaces: ${attempt.error?.message ?? attempt.stderr}`;
  }
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const shell = ['bash', '-c', prepare, 'lab', ...self];
  const { status } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--mount-proc', ...shell],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        COUNTERSIGN_LAB: String(process.pid),
        COUNTERSIGN_HOME: homedir(),
      },
    },
  );
  sweep();
  process.exit(status ?? 1);
}

/**
 * Control groups are all that outlives the namespaces. Takes away those of this lab, and of labs
 * that were killed before they could.
 */
function sweep(): void {
  if (!existsSync(controlGroups)) return;
  for (const place of [controlGroups, ...foldersIn(controlGroups)]) {
    for (const group of foldersIn(place)) {
      const pid = group.split(`/${prefix}`)[1];
      if (pid === undefined) continue;
      if (pid === String(process.pid) || !existsSync(`/proc/${pid}`)) removeGroup(group);
    }
  }
}

/** Groups are removed like folders, the innermost first. */
function removeGroup(group: string): void {
  for (const inner of foldersIn(group)) removeGroup(inner);
  try {
    rmdirSync(group);
  } catch {
    // A process that is just ending holds it for a moment; an empty group harms nobody.
  }
}

function foldersIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}
