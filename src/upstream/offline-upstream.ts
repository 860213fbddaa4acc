/** An upstream that the configuration forbids to ask: nothing is connected to, everything is refused at once. */
import { Dispatcher } from 'undici';
import type { RegistryUpstream } from './registry-upstream.ts';
import { UpstreamError } from './upstream.ts';

/** @param url where it would be. */
export function createOfflineUpstream(name: string, url: URL): RegistryUpstream {
  const refuse = async (): Promise<never> => Promise.reject(offlineError(name));
  return {
    name,
    url,
    dispatcher: new OfflineDispatcher(name),
    isOffline: true,
    hasRoom: () => false,
    resolve: refuse,
    fetchManifest: refuse,
    openBlob: refuse,
    referrers: refuse,
    close: () => Promise.resolve(),
  };
}

class OfflineDispatcher extends Dispatcher {
  readonly #name: string;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  override dispatch(): never {
    throw offlineError(this.#name);
  }
}

function offlineError(name: string): UpstreamError {
  const message = `${name} is configured offline, so it is not asked`;
  return new UpstreamError('offline', message, { isUnasked: true });
}
