/** A server in front of a fake registry that answers some requests in its own way: endless bodies, changes of mind. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Test } from 'tap';
import { request } from 'undici';

export interface Front {
  readonly url: string;
  /** Bytes of endless bodies that left so far. */
  readonly endless: () => number;
}

/** Whether it answered; what it leaves is answered by the registry. */
export type Answerer = (request: IncomingMessage, response: ServerResponse) => boolean;

export async function startFront(
  t: Test,
  registry: { readonly url: string },
  answers: Answerer,
): Promise<Front> {
  const responses: ServerResponse[] = [];
  const server = createServer((incoming, response) => {
    responses.push(response);
    if (!answers(incoming, response)) void passOn(registry.url, incoming, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    endless: () => responses.reduce((sum, one) => sum + (sent.get(one) ?? 0), 0),
  };
}

const sent = new WeakMap<ServerResponse, number>();

/** Writes `piece` until the client goes. @returns true, for an {@link Answerer}. */
export function answerWithoutEnd(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  piece: Buffer,
): true {
  response.writeHead(200, headers);
  const write = (): void => {
    if (response.destroyed) return;
    sent.set(response, (sent.get(response) ?? 0) + piece.length);
    // Each piece waits for the one before it, so what was counted had room somewhere.
    response.write(piece, () => setImmediate(write));
  };
  write();
  return true;
}

async function passOn(
  url: string,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', url: path = '/', headers } = incoming;
  const {
    statusCode,
    headers: answered,
    body,
  } = await request(`${url}${path}`, {
    method: method === 'HEAD' ? 'HEAD' : 'GET',
    headers: headers.range === undefined ? {} : { range: headers.range },
  });
  response.writeHead(statusCode, answered);
  response.end(Buffer.from(await body.arrayBuffer()));
}
