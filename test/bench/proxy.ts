/** The proxy as it is shipped, in a process of its own, with its log in a file as an operator's would be. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from './servers.ts';

export interface BenchProxy {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds from the start of the process to where it listens. */
  readonly startedIn: number;
  /** Milliseconds of processor time that all its threads took so far. */
  cpu(): number;
  stop(): Promise<void>;
}

export interface ProxyOptions {
  readonly tls?: Certificate | undefined;
  /** In place of a cache in the folder. */
  readonly cache?: string;
}

/** `src/main.ts` runs as it stands, for work on the proxy itself. */
const main = process.env['BENCH_MAIN'] ?? '../../dist/main.js';
/** As `npm start` has it: without a bound, what is soon forgotten may take 128 MiB before anybody looks. */
const FLAGS = ['--max-semi-space-size=16'];

/**
 * @param folder where its configuration and its log lie; made when it is not there.
 * @param rest the configuration after what every proxy here has: where it listens and keeps its cache.
 */
export async function startProxy(
  folder: string,
  rest: readonly string[],
  { tls, cache = join(folder, 'cache') }: ProxyOptions = {},
): Promise<BenchProxy> {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'countersign.yaml');
  const log = join(folder, 'log');
  const encrypted =
    tls === undefined ? '' : `, tls: { certFile: ${tls.cert}, keyFile: ${tls.key} }`;
  writeFileSync(
    config,
    [
      `listen: { host: 127.0.0.1, port: 0${encrypted} }`,
      'admin: { host: 127.0.0.1, port: 0 }',
      `cache: { path: ${cache} }`,
      ...rest,
    ].join('\n'),
  );
  const out = openSync(log, 'w');
  const program = fileURLToPath(new URL(main, import.meta.url));
  const begun = performance.now();
  const child = spawn(process.execPath, [...FLAGS, program, 'serve', '--config', config], {
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  const pid = child.pid ?? 0;
  const deadline = Date.now() + 60_000;
  for (;;) {
    const text = readFileSync(log, 'utf8');
    const url = /"surface":"registry","url":"([^"]+)"/.exec(text)?.[1];
    if (url !== undefined) {
      return {
        pid,
        url,
        startedIn: performance.now() - begun,
        cpu: () => processorTime(pid),
        async stop() {
          child.kill('SIGTERM');
          await exited;
        },
      };
    }
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`no proxy: ${text}`);
    }
    await sleep(10);
  }
}

/** By the scheduler's nanoseconds: the clock ticks of `/proc/PID/stat` are longer than a verification. */
function processorTime(pid: number): number {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads)
    .map((thread) => Number(readFileSync(`${threads}/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, nanoseconds) => sum + nanoseconds / 1e6, 0);
}
