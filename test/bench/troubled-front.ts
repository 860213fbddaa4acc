/** What stands between a proxy and its upstream, and makes the upstream as unwell as it is told. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDeafPort, type DeafPort } from './deaf-port.ts';
import { freePort } from './servers.ts';

export type Trouble =
  | { readonly kind: 'none' }
  /** Nobody listens. */
  | { readonly kind: 'killed' }
  /** Nobody answers, not even that nobody listens. */
  | { readonly kind: 'firewalled' }
  /** Takes connections and questions, and says nothing. */
  | { readonly kind: 'silent' }
  /** Answers everything so many milliseconds late. */
  | { readonly kind: 'slow'; readonly delay: number }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
    };

export interface TroubledFront {
  /** Origin. */
  readonly url: string;
  /** Takes effect for the next question; connections that are open are cut. */
  begin(trouble: Trouble): Promise<void>;
  stop(): Promise<void>;
}

/** @param origin of the upstream, as it is when it is well. */
export async function startTroubledFront(origin: string): Promise<TroubledFront> {
  const port = await freePort();
  let trouble: Trouble = { kind: 'none' };
  let deaf: DeafPort | undefined;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    incoming.resume();
    if (trouble.kind === 'silent') return;
    if (trouble.kind === 'status') {
      response.writeHead(trouble.status, trouble.headers).end();
      return;
    }
    if (trouble.kind === 'slow') await sleep(trouble.delay);
    const { method, headers, url = '/' } = incoming;
    const asked = request(new URL(url, origin), { method, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    asked.once('error', () => response.destroy()).end();
  }

  const server = createServer((incoming, response) => void answer(incoming, response));
  const listen = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const close = async (): Promise<void> => {
    await deaf?.close();
    deaf = undefined;
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    async begin(next) {
      trouble = next;
      await close();
      if (next.kind === 'firewalled') deaf = await startDeafPort(port);
      else if (next.kind !== 'killed') await listen();
    },
    stop: close,
  };
}
