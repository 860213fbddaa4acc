/** A host on loopback that answers about certificates, as their authorities do, and counts who comes. */
import { createServer, type ServerResponse } from 'node:http';
import type { Test } from 'tap';

export interface RevocationServer {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: string;
  /** Paths that were asked for, oldest first. */
  readonly asked: readonly string[];
  /** Connections, whether something was asked or not. */
  readonly connections: number;
  /** Answers so to whatever begins with the path; a URL is redirected to. */
  answer(path: string, reply: Buffer | URL): void;
}

/** Starts it; it ends with the test. */
export async function startRevocationServer(t: Test): Promise<RevocationServer> {
  const replies = new Map<string, Buffer | URL>();
  const asked: string[] = [];
  let connections = 0;
  const server = createServer(({ url = '' }, response) => {
    asked.push(url);
    const [, found] = [...replies].find(([path]) => url.startsWith(path)) ?? [];
    reply(response, found);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  const port = String(address.port);
  return {
    host: `127.0.0.1:${port}`,
    port,
    asked,
    get connections() {
      return connections;
    },
    answer: (path, bytes) => void replies.set(path, bytes),
  };
}

function reply(response: ServerResponse, found: Buffer | URL | undefined): void {
  if (found === undefined) {
    response.writeHead(404).end();
  } else if (found instanceof URL) {
    response.writeHead(302, { location: found.href }).end();
  } else {
    response.end(found);
  }
}
