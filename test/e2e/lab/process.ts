/** Starts programs, waits until they are ready, and stops them by their own process id. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Finished {
  /** The exit status; 128 when a signal ended it. */
  readonly status: number;
  /** Standard output alone. */
  readonly stdout: string;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds until it is killed; two minutes unless told. */
  readonly timeout?: number;
}

export interface Daemon {
  readonly name: string;
  readonly pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** SIGTERM, and SIGKILL where that does not help. Gives its exit status. */
  stop(): Promise<number>;
  /** SIGKILL at once. */
  kill(): Promise<void>;
}

export interface DaemonOptions extends RunOptions {
  /** Asked until it says true; an exception means "not yet". */
  readonly ready: (output: string) => boolean | Promise<boolean>;
}

/** Runs a program to its end; a failure is an answer, not an exception. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = launch(command, args, options);
  let stdout = '';
  let output = '';
  child.stdout?.on('data', (chunk: string) => {
    stdout += chunk;
    output += chunk;
  });
  child.stderr?.on('data', (chunk: string) => (output += chunk));
  const timer = setTimeout(() => {
    output += '\n[killed: took too long]';
    child.kill('SIGKILL');
  }, options.timeout ?? 120_000);
  const status = await ended(child);
  clearTimeout(timer);
  return { status, stdout, output };
}

/** Runs a program that has to succeed, and gives its standard output. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, output } = await run(command, args, options);
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit status ${status}\n${output}`);
  }
  return stdout;
}

/** Starts a program that stays, and waits until it is ready. */
export async function startDaemon(
  name: string,
  command: string,
  args: readonly string[],
  options: DaemonOptions,
): Promise<Daemon> {
  const child = launch(command, args, options);
  let output = '';
  child.stdout?.on('data', (chunk: string) => (output += chunk));
  child.stderr?.on('data', (chunk: string) => (output += chunk));
  const exit = ended(child);
  const daemon: Daemon = {
    name,
    pid: child.pid ?? 0,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const status = await exit;
      clearTimeout(timer);
      return status;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
  const deadline = Date.now() + (options.timeout ?? 90_000);
  while (!(await isReady(options.ready, output))) {
    const gone = child.exitCode !== null || child.signalCode !== null;
    if (gone || Date.now() > deadline) {
      await daemon.stop();
      throw new Error(
        `${name} ${gone ? 'ended at once' : 'did not get ready'}; its last words:\n${output.slice(-2000)}`,
      );
    }
    await sleep(50);
  }
  return daemon;
}

async function isReady(ready: DaemonOptions['ready'], output: string): Promise<boolean> {
  try {
    return await ready(output);
  } catch {
    return false;
  }
}

function launch(command: string, args: readonly string[], options: RunOptions): ChildProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  return child;
}

async function ended(child: ChildProcess): Promise<number> {
  try {
    await once(child, 'close');
  } catch (error) {
    throw new Error(`${child.spawnfile} does not start`, { cause: error });
  }
  return child.exitCode ?? 128;
}
