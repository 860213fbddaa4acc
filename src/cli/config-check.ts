/** `countersign config check FILE`: every mistake in a configuration, or one line that says what is in it. */
import { loadConfig, type LoadOptions } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

/** @returns 0 for a configuration that can be served, 2 with all its problems. */
export function configCheck(file: string, options: LoadOptions, io: CommandIo): ExitCode {
  try {
    const { upstreams, trustRoots, policies } = loadConfig(file, options);
    io.out(
      `${file}: fine (${upstreams.length} upstreams, ${trustRoots.length} trust roots, ${policies.length} rules)`,
    );
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    io.err(error.message);
    return EXIT.usage;
  }
}
