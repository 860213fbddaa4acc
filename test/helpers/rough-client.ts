/** A client that reads as slowly as it is told, and may go away in the middle of an answer. */
import { openSocket, parseAnswer, type RawAnswer } from './raw-http.ts';

export interface Manners {
  /** The Range header's value. */
  readonly range?: string | undefined;
  /** Goes away after so many bytes of the answer, its head included. */
  readonly leavesAfter?: number | undefined;
  /** Milliseconds that it thinks about each piece. */
  readonly pause?: number | undefined;
}

/** One GET, and what came of its answer until either side ended it. */
export async function askRoughly(
  url: string,
  target: string,
  { range, leavesAfter = Infinity, pause = 0 }: Manners = {},
): Promise<RawAnswer> {
  const socket = await openSocket(url);
  const pieces: Buffer[] = [];
  let bytes = 0;
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  socket.on('error', () => undefined);
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= leavesAfter) socket.destroy();
    else if (pause > 0) {
      socket.pause();
      setTimeout(() => socket.resume(), pause);
    }
  });
  const lines = [`GET ${target} HTTP/1.1`, 'Host: proxy.test', 'Connection: close'];
  if (range !== undefined) lines.push(`Range: ${range}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (leavesAfter === 0) socket.destroy();
  await ended;
  return parseAnswer(Buffer.concat(pieces));
}
