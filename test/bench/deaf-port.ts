/** A port that swallows connections, as behind a firewall that drops them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface DeafPort {
  /** The port is free again. */
  close(): Promise<void>;
}

const program = fileURLToPath(new URL('clients/deaf.ts', import.meta.url));
/** Milliseconds within which a connection on this machine is made, where it is made at all. */
const SOON = 300;

export async function startDeafPort(port: number): Promise<DeafPort> {
  const child = spawn(process.execPath, [program, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const queued: Socket[] = [];
  // Those that the kernel still takes wait in the listener's queue for ever.
  do queued.push(connect({ host: '127.0.0.1', port }).on('error', () => undefined));
  while (await isConnected(queued.at(-1)));
  return {
    async close() {
      for (const socket of queued) socket.destroy();
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function isConnected(socket: Socket | undefined): Promise<boolean> {
  await sleep(SOON);
  return socket?.connecting === false;
}
