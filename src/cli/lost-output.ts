/** Output that nobody takes any more: a pipe that was closed, a disk that is full. */
import { EXIT } from './io.ts';

/**
 * Lets the command go on to its own end. That a reader had enough says nothing about the work; anything else is told, and
 * such a process does not end as if all were well.
 */
export function survive(stream: NodeJS.WriteStream, tell: (reason: string) => void): void {
  let told = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || told) return;
    told = true;
    tell(`cannot write output: ${error.message}`);
    process.once('exit', () => {
      if ((process.exitCode ?? EXIT.ok) === EXIT.ok) process.exitCode = EXIT.undetermined;
    });
  });
}
