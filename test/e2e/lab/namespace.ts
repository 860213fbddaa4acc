/** Gives a test file a room of its own: only loopback, only its own processes, only throw-away folders. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/**
 * What is prepared before the test file runs again inside. Nothing in here can reach another
 * machine, and when its first process ends the kernel takes everything away: processes, mounts,
 * sockets. The shell stays as that first process and collects orphans, which Node would not.
 */
const prepare = `
set -e
ip link set lo up
mount -t tmpfs -o mode=755 lab "$COUNTERSIGN_LAB"
mount -t tmpfs -o mode=755 run /run
mkdir -p "$COUNTERSIGN_LAB/tmp" "$COUNTERSIGN_LAB/home" /run/lock
for folder in /etc /var/lib; do
  own="$COUNTERSIGN_LAB/private$folder"
  mkdir -p "$own/upper" "$own/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$own/upper,workdir=$own/work" "$folder"
done
export TMPDIR="$COUNTERSIGN_LAB/tmp" HOME="$COUNTERSIGN_LAB/home"
set +e
"$@"
exit $?
`;

const prefix = 'countersign-lab-';

const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child'];

const folder = process.env['COUNTERSIGN_LAB'] ?? '';

/** Why there is no lab here, where there is none. */
export const labProblem = folder === '' ? enter() : undefined;

/** The throw-away folder of this lab, in memory. */
export const labFolder = folder;

/** The control group below which containers of this lab belong, so that it can be removed. */
export const labControlGroup = `/${basename(folder)}`;

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
  sweep();
  const home = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const shell = ['bash', '-c', prepare, 'lab', ...self];
  const { status } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--mount-proc', ...shell],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, COUNTERSIGN_LAB: home, COUNTERSIGN_HOME: process.env['HOME'] },
    },
  );
  remove(home);
  process.exit(status ?? 1);
}

/** Takes away what labs left behind that were killed from outside. */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(prefix))) {
    const [owner = ''] = name.slice(prefix.length).split('-');
    if (/^[0-9]+$/.test(owner) && !existsSync(`/proc/${owner}`)) remove(join(tmpdir(), name));
  }
}

/** An empty folder and its control groups are all that outlives the namespaces of a lab. */
function remove(home: string): void {
  const root = '/sys/fs/cgroup';
  const places = existsSync(root) ? ['', ...readdirSync(root)] : [];
  for (const place of places) removeTree(join(root, place, basename(home)));
  removeTree(home);
}

/** Removes folders and nothing but folders, the innermost first. */
function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
  } catch {
    // A process that is just ending holds it for a moment; an empty folder harms nobody.
  }
}
