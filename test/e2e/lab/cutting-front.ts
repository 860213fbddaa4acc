/** Stands between clients and the proxy, and cuts connections in the middle of a blob. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CuttingFront {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Where in a blob each GET of it since the last cut was planned began, by its Range header; 0 without one. */
  readonly starts: readonly number[];
  /** The next GET of the blob gets so many bytes and no more. */
  cut(digest: string, at: number): void;
  close(): Promise<void>;
}

export async function startCuttingFront(proxy: string): Promise<CuttingFront> {
  const [hostname = '', port = ''] = proxy.split(':');
  let starts: number[] = [];
  let blob = '';
  let plan: number | undefined;

  const server = createServer((asked, response) => {
    const { method, url, headers } = asked;
    const isBlob = method === 'GET' && blob !== '' && url?.includes(blob) === true;
    if (isBlob) starts.push(Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0));
    const limit = isBlob ? plan : undefined;
    if (isBlob) plan = undefined;
    const passed = request({ hostname, port, method, path: url, headers }, (answer) => {
      pass(answer, response, limit);
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get starts() {
      return starts;
    },
    cut: (digest, at) => {
      blob = digest;
      plan = at;
      starts = [];
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function pass(answer: IncomingMessage, response: ServerResponse, limit: number | undefined): void {
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', answer.headers);
  answer.on('error', () => response.destroy());
  if (limit === undefined) {
    answer.pipe(response);
    return;
  }
  let sent = 0;
  answer.on('data', (chunk: Buffer) => {
    const rest = chunk.subarray(0, limit - sent);
    sent += rest.length;
    // Ended, not reset: what was sent arrives.
    response.write(rest, () => {
      if (sent >= limit) response.socket?.end();
    });
  });
}
