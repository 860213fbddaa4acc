/** HTTP as bytes on a socket: requests that no client library would send, answers that none would show. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  /** Undefined where nothing was answered. */
  readonly status: number | undefined;
  readonly phrase: string;
  /** Lines as they came, in order. */
  readonly headers: readonly string[];
  /** What came of the body, whatever its declared length. */
  readonly body: Buffer;
}

/** One request, and everything that comes until the connection ends. The text needs no `Connection: close`. */
export async function rawRequest(url: string, text: string | Buffer): Promise<RawAnswer> {
  const socket = await openSocket(url);
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve();
    });
    socket.write(text);
  });
  return parseAnswer(Buffer.concat(chunks));
}

/** `GET target` in its rawest form. */
export function rawGet(
  url: string,
  target: string,
  headers: readonly string[] = [],
): Promise<RawAnswer> {
  const lines = [`GET ${target} HTTP/1.1`, 'Connection: close', ...headers];
  if (!headers.some((line) => /^host:/i.test(line))) lines.push('Host: proxy.test');
  return rawRequest(url, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
}

export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

export function parseAnswer(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
  const [first = '', ...headers] = head.split('\r\n');
  const [, status, phrase = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(first) ?? [];
  return {
    status: status === undefined ? undefined : Number(status),
    phrase,
    headers,
    body: end === -1 ? Buffer.alloc(0) : bytes.subarray(end + 4),
  };
}
