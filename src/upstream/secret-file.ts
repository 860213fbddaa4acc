/** Reads small files that hold secrets, without ever repeating their names or content. */
import { open } from 'node:fs/promises';
import { CredentialsError } from './credential.ts';
import { errorCode } from './failure.ts';

/**
 * Reads a small text file.
 * @throws {CredentialsError} when it cannot be read or is larger than `maxBytes`.
 */
export async function readBounded(path: string, maxBytes: number, what: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) {
      throw new CredentialsError(`expected a ${what} of at most ${maxBytes} bytes, got more`);
    }
    return buffer.toString('utf8', 0, length);
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    throw new CredentialsError(`expected a readable ${what}, got ${errorCode(error)}`, {
      cause: error,
    });
  }
}
