/** A person at a terminal: passwords, unseen, and a yes. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export interface TerminalStreams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Not the standard output, which may be a file or another program. */
  readonly output: NodeJS.WritableStream;
}

export interface Terminal {
  /** @returns undefined where there is no terminal. @throws when the person breaks it off. */
  askPassword(label: string): Promise<string | undefined>;
  /** @returns undefined where there is no terminal. @throws when the person breaks it off. */
  confirm(question: string): Promise<boolean | undefined>;
}

export function openTerminal({ input, output }: TerminalStreams): Terminal {
  async function ask(question: string, isSecret: boolean): Promise<string | undefined> {
    if (input.isTTY !== true) return undefined;
    output.write(question);
    // It echoes what is typed, where it is given somewhere to.
    const echo = isSecret
      ? new Writable({
          write: (_chunk, _encoding, done) => {
            done();
          },
        })
      : output;
    const lines = createInterface({ input, output: echo, terminal: true, historySize: 0 });
    const brokenOff = new AbortController();
    const stop = (): void => {
      brokenOff.abort();
    };
    lines.once('SIGINT', stop).once('close', stop);
    try {
      return await lines.question('', { signal: brokenOff.signal });
    } catch (error) {
      if (!brokenOff.signal.aborted) throw error;
      throw new Error('broken off', { cause: error });
    } finally {
      lines.close();
      if (isSecret) output.write('\n');
    }
  }

  return {
    askPassword: (label) => ask(`password of ${label}: `, true),
    async confirm(question) {
      const answer = await ask(`${question} [y/N] `, false);
      return answer === undefined ? undefined : /^\s*y(?:es)?\s*$/i.test(answer);
    },
  };
}
