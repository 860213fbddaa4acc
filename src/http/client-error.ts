/** What a connection is told before it is cut, when what came over it is no request: node's own words are none. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

/** Bytes of a request's headers: 1024 ranges of the largest blobs take some 32 KiB. */
export const MAX_HEADER_BYTES = 64 * 1024;
/** Milliseconds for the answer to leave: a connection that is cut while bytes come in takes its answer along. */
const LINGER = 1_000;

/** Answers once, then cuts. */
export function answerClientError(error: Error, socket: Socket): void {
  if (socket.destroyed || socket.writableEnded) return;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const [status, message] = explain(code);
  const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    'connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const cut = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => {
    clearTimeout(cut);
  });
}

/** Words in the middle of an answer would be taken for its body. Node's own handler looks at the same member. */
function isAnswering(socket: Socket): boolean {
  const { _httpMessage: answer = null } = socket as { readonly _httpMessage?: unknown };
  return answer !== null;
}

function explain(code: unknown): readonly [status: number, message: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [431, `the headers of the request are more than ${MAX_HEADER_BYTES} bytes`];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'the request did not come in time'];
    default:
      return [400, 'this is no HTTP request'];
  }
}
