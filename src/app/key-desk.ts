/** What signing works with: this process's variables, files and terminal. */
import { open } from 'node:fs/promises';
import type { KeyDesk } from '../cli/approvals-desk.ts';
import { openSigner } from '../signing/open-signer.ts';
import { openTerminal } from './terminal.ts';

export function openKeyDesk(env: NodeJS.ProcessEnv): KeyDesk {
  const terminal = openTerminal({ input: process.stdin, output: process.stderr });
  const askPassword = (label: string): Promise<string | undefined> => terminal.askPassword(label);
  return {
    openSigner: (name) => openSigner(name, { env, readFile: readWhole, askPassword }),
    confirm: (question) => terminal.confirm(question),
  };
}

/** A file, or a pipe that a shell made; rejects where it is longer. */
export async function readWhole(file: string, maxBytes: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= maxBytes) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(maxBytes + 1 - length));
      if (bytesRead === 0) return Buffer.concat(chunks);
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    throw new Error(`expected at most ${maxBytes} bytes`);
  } finally {
    await handle.close();
  }
}
