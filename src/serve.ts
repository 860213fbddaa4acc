/** `countersign serve`: the proxy with its admin surface, from start through reloads to its end. */
import { startAdmin } from './admin/server.ts';
import { startApp, type App } from './app.ts';
import { watchFiles, type FileWatch } from './app/file-watch.ts';
import { Reloader } from './app/reloader.ts';
import type { Config } from './config/config.ts';
import { createObservation } from './observe/observation.ts';

/**
 * Serves until SIGTERM or SIGINT; SIGHUP, and a change of a file that it was read from, read the configuration again.
 * @param reread throws ConfigError when the file is broken; the running configuration then stays.
 */
export async function serve(config: Config, reread: () => Config): Promise<void> {
  const observation = createObservation({ level: config.log.level });
  const { logger, metrics } = observation;
  let app: App | undefined;
  // From the start on: a signal that comes early must not end the process half-started.
  const end = ended();
  const reloader = new Reloader(config, reread, logger);
  process.on('SIGHUP', () => {
    if (app !== undefined) void reloader.reload(app);
  });
  let watch: FileWatch | undefined;
  try {
    app = await startApp(config, {
      logger,
      observer: observation,
      onUnkept: metrics.blobUnkept,
      onTagMove: metrics.tagMove,
      onWithdrawn: metrics.withdrawn,
      onReverified: metrics.reverified,
    });
    const running = app;
    watch = watchFiles(
      () => reloader.files,
      () => reloader.reloadIfChanged(running),
    );
    const { ready, upstreamStatus } = app;
    metrics.watchPlaces(upstreamStatus);
    const admin = await startAdmin({ ...config.admin, ready, metrics, logger });
    logger.info({ surface: 'registry', url: app.url }, 'listening');
    logger.info({ surface: 'admin', url: admin.url }, 'listening');
    if (config.policies.length === 0) {
      logger.warn('there are no rules, so everything is refused: add trustRoots and policies');
    }
    await end;
    await admin.close();
  } finally {
    watch?.close();
    await app?.close();
    observation.close();
  }
}

/** Resolves at the first signal to end; a second one ends the process at once. */
function ended(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve();
      });
    }
  });
}
