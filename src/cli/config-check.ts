/** `countersign config check FILE`: every mistake in a configuration, or one line that says what is in it. */
import type { Config } from '../config/config.ts';
import { loadConfig, type LoadOptions } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import { suggest } from '../config/suggest.ts';
import { describeOver } from '../policy/exception.ts';
import { canonicalRegistry } from '../oci/reference.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

/**
 * @param now milliseconds since the epoch.
 * @returns 0 for a configuration that can be served, 2 with all its problems.
 */
export function configCheck(
  file: string,
  options: LoadOptions,
  io: CommandIo,
  now = Date.now(),
): ExitCode {
  try {
    const config = loadConfig(file, options);
    const content = [
      count(config.upstreams.length, 'upstream'),
      count(config.trustRoots.length, 'trust root'),
      count(config.policies.length, 'rule'),
      ...(config.exceptions.length === 0 ? [] : [count(config.exceptions.length, 'exception')]),
    ].join(', ');
    io.out(`${file}: fine (${content})`);
    for (const note of [...notes(config), ...over(config, now)]) io.out(`note: ${note}`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    io.err(error.message);
    return EXIT.usage;
  }
}

/** What is right by the letter and probably not meant: patterns for registries that nobody can ask for. */
function notes({ upstreams, policies }: Config): readonly string[] {
  const known = upstreams.map(({ name }) => name);
  return policies.flatMap(({ name, match }) =>
    match
      .filter((pattern) => !pattern.startsWith('!'))
      .map((pattern) => canonicalRegistry(pattern.split('/', 1)[0] ?? ''))
      .filter((registry) => !registry.includes('*') && !known.includes(registry))
      .map(
        (registry) =>
          `rule ${JSON.stringify(name)} matches ${registry}, which is no upstream${suggest(registry, known)}`,
      ),
  );
}

/** Exceptions that could be taken out of the file. */
function over({ exceptions }: Config, now: number): readonly string[] {
  return exceptions
    .filter(({ expires }) => expires <= now)
    .map(
      (exception) =>
        `rule ${JSON.stringify(exception.rule)} and ${exception.digest}: ${describeOver(exception)}`,
    );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
