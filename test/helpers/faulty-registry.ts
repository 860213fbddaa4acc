/** A registry on loopback whose answers to GET of a blob fail by a script, and that keeps account of what it sent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { isDigest, type Digest } from '../../src/oci/digest.ts';
import type { FakeContent } from './fake-registry-content.ts';
import { send } from './fake-registry-reply.ts';
import { answer } from './fake-registry-routes.ts';
import { shapeAnswer, type AnswerShape, type BlobFault } from './faulty-answer.ts';

/** One answer to one GET of a blob. */
export interface BlobAnswer {
  readonly digest: Digest;
  /** The Range header. */
  readonly range: string | undefined;
  readonly fault: BlobFault | undefined;
  /** The first byte of the blob that it sent, if it sent any. */
  readonly offset: number;
  /** Bytes of the blob that the system took; what it took and did not deliver counts as sent. */
  sent: number;
  /** Neither side works on it any more. */
  over: boolean;
}

export interface FaultyRegistry {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Answers to GET of blobs, in order; redirects in a loop are one. */
  readonly answers: readonly BlobAnswer[];
  /** The faults of the next answers for the blob, one each; after them it is served as it is. */
  plan(digest: Digest, faults: readonly BlobFault[]): void;
  /** Faults that did not happen yet. */
  left(digest: Digest): number;
  close(): Promise<void>;
}

const SWITCHES = { referrersApi: false, referrersPageSize: undefined, headDigest: true };
const PIECE = 64 * 1024;

/** Serves what the content holds. It ends with its test at the latest. */
export async function startFaultyRegistry(t: Test, content: FakeContent): Promise<FaultyRegistry> {
  const answers: BlobAnswer[] = [];
  const scripts = new Map<Digest, BlobFault[]>();
  const server = createServer((request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    const [, name = '', digest] = /^\/v2\/(.+)\/blobs\/([^/?]+)/.exec(url) ?? [];
    const bytes = isDigest(digest) ? content.blob(name, digest) : undefined;
    if (url.endsWith('?loop')) redirect(response, url);
    else if (method === 'GET' && isDigest(digest) && bytes !== undefined) {
      answerBlob(request, response, digest, bytes);
    } else {
      const reply = answer(content, SWITCHES, { method, url, headers, body: '' });
      void send(response, method, reply, undefined);
    }
  });

  function answerBlob(
    { url = '', headers: { range } }: IncomingMessage,
    response: ServerResponse,
    digest: Digest,
    bytes: Buffer,
  ): void {
    const fault = scripts.get(digest)?.shift();
    const shape = shapeAnswer(bytes, range, fault);
    const account: BlobAnswer = {
      ...{ digest, range, fault, offset: shape.offset, sent: 0, over: false },
    };
    answers.push(account);
    response.once('close', () => {
      account.over = true;
    });
    response.on('error', () => undefined);
    if (fault?.kind === 'redirects') redirect(response, `${url}?loop`);
    else void sendShaped(response, shape, account);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  t.teardown(close);
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    plan: (digest, faults) => scripts.set(digest, [...faults]),
    left: (digest) => scripts.get(digest)?.length ?? 0,
    close,
  };
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(307, { location, 'content-length': 0 }).end();
}

async function sendShaped(
  response: ServerResponse,
  { status, headers, body, end, piece = PIECE }: AnswerShape,
  account: BlobAnswer,
): Promise<void> {
  const { socket } = response;
  if (status === undefined) {
    socket?.destroy();
    return;
  }
  // Without it Node would send chunks.
  if (headers.connection === 'close') response.removeHeader('transfer-encoding');
  response.writeHead(status, headers);
  response.flushHeaders();
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    const chunk = body.subarray(at, at + piece);
    const isTaken = await write(response, chunk);
    if (isTaken && status < 300) account.sent += chunk.length;
  }
  if (end === 'reset') socket?.resetAndDestroy();
  // What the system took is still delivered, then the connection ends.
  else if (end === 'truncate') socket?.destroySoon();
  else if (end === 'whole') response.end();
}

/** Whether the system took it. */
function write(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => {
      resolve(false);
    };
    response.once('close', gone);
    response.write(chunk, (error) => {
      response.off('close', gone);
      resolve(error === null || error === undefined);
    });
  });
}
