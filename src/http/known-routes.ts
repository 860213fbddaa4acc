/** Routes of URLs that are asked for again and again, so that they are read once. */
import { LRUCache } from 'lru-cache';
import type { ManifestRoute } from './manifests.ts';
import { parseRoute, type UpstreamNames } from './route.ts';

/** Every name is chosen by a client: this many, each of at most so many characters, take some 8 MiB. */
const MAX_ROUTES = 8192;
const MAX_LENGTH = 512;

export class KnownRoutes {
  #routes = new LRUCache<string, ManifestRoute>({ max: MAX_ROUTES });
  #upstreams: UpstreamNames | undefined;

  /** The route of a manifest, the same object each time while it is remembered; undefined for every other URL. */
  find(url: string, upstreams: UpstreamNames): ManifestRoute | undefined {
    if (upstreams !== this.#upstreams) {
      this.#routes.clear();
      this.#upstreams = upstreams;
    }
    const known = this.#routes.get(url);
    if (known !== undefined) return known;
    // What no manifest's URL can do without: the URLs of blobs are many, and each is asked for once.
    if (!url.includes('/manifests/')) return undefined;
    const route = parseRoute(url, upstreams);
    if (!('kind' in route) || route.kind !== 'manifest') return undefined;
    if (url.length <= MAX_LENGTH) this.#routes.set(url, route);
    return route;
  }
}
