/** Puts a changed configuration in place of the running one, and says what became of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { filesOf } from '../config/files.ts';
import { ConfigError } from '../config/problem.ts';

/** What can be given another configuration; see `App`. */
export interface Reloadable {
  /** @returns what takes effect at the next start only. */
  reload(config: Config): Promise<readonly string[]>;
}

export class Reloader {
  readonly #reread: () => Config;
  readonly #logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  #running: Config;
  #files: readonly string[];

  /** @param reread throws {@link ConfigError} when the file is broken; the running configuration then stays. */
  constructor(
    running: Config,
    reread: () => Config,
    logger: Pick<Logger, 'info' | 'warn' | 'error'>,
  ) {
    this.#reread = reread;
    this.#logger = logger;
    this.#running = running;
    this.#files = filesOf(running);
  }

  /** The files that the running configuration was read from, and those in which a broken one has its mistakes. */
  get files(): readonly string[] {
    return this.#files;
  }

  /** Never rejects. */
  async reload(app: Reloadable): Promise<void> {
    const next = this.#read();
    if (next !== undefined) await this.#put(app, next);
  }

  /** The same, for a file that may have changed in nothing that matters. */
  async reloadIfChanged(app: Reloadable): Promise<void> {
    const next = this.#read();
    if (next !== undefined && !isDeepStrictEqual(next, this.#running)) await this.#put(app, next);
  }

  #read(): Config | undefined {
    try {
      return this.#reread();
    } catch (error) {
      if (error instanceof ConfigError) {
        const { problems } = error;
        const broken = problems.map(({ file }) => file).filter((file) => file !== undefined);
        this.#files = [...new Set([...filesOf(this.#running), ...broken])];
        this.#logger.error({ problems }, 'the configuration is broken, the running one stays');
      } else {
        this.#logger.error({ err: error }, FAILED);
      }
      return undefined;
    }
  }

  async #put(app: Reloadable, next: Config): Promise<void> {
    try {
      const ignored = await app.reload(next);
      this.#running = next;
      this.#files = filesOf(next);
      this.#logger.info('configuration reloaded');
      if (ignored.length > 0) {
        this.#logger.warn({ ignored }, 'these changes take effect at the next start');
      }
    } catch (error) {
      this.#logger.error({ err: error }, FAILED);
    }
  }
}

const FAILED = 'the reload failed, the running configuration stays';
