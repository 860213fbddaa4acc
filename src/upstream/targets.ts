/** Where an upstream's configuration allows us to go: the value that the address guard and the connector ask. */
import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.ts';
import { UpstreamError } from './upstream.ts';

export interface Targets {
  /** The upstream's own origin; credentials are for requests to it. */
  readonly origin: string;
  /** @throws {UpstreamError} `refused-target` for a scheme or address literal that is not allowed. */
  check(target: URL): void;
  /** Whether a host may be reached at private addresses. Host names as URL has them, ports as numbers in text. */
  mayBePrivate(hostname: string, port: string): boolean;
}

export interface TargetOptions {
  readonly name: string;
  /** Absent where there is no upstream, and `privateHosts` are all that is configured. */
  readonly url?: URL;
  readonly insecureHttp: boolean;
  readonly privateHosts: readonly string[];
}

/**
 * Allows HTTPS to public addresses, and to private ones for the upstream itself and its `privateHosts`.
 * Plain HTTP is for those same hosts alone, and only when the upstream itself is plain HTTP on purpose.
 */
export function createTargets(options: TargetOptions): Targets {
  const { name, url, insecureHttp } = options;
  const own = url === undefined ? [] : [hostKey(url.hostname, effectivePort(url))];
  const configured = new Set(own);
  for (const host of options.privateHosts) {
    for (const key of keysOf(host)) configured.add(key);
  }

  function mayBePrivate(hostname: string, port: string): boolean {
    return configured.has(hostKey(hostname, port));
  }

  return {
    origin: url?.origin ?? '',
    mayBePrivate,
    check(target) {
      const isConfigured = mayBePrivate(target.hostname, effectivePort(target));
      if (target.protocol !== 'https:') {
        const plain = target.protocol === 'http:' && url?.protocol === 'http:' && insecureHttp;
        if (!plain || !isConfigured) {
          throw refused(name, `expected https, got ${target.protocol}//${target.host}`);
        }
      }
      const address = bare(target.hostname);
      if (!isConfigured && isIP(address) !== 0 && !isPublicAddress(address)) {
        throw refused(name, `expected a public address, got ${target.host}`);
      }
    },
  };
}

/** The error for a hop that an upstream's configuration does not allow. */
export function refused(name: string, why: string): UpstreamError {
  return new UpstreamError(
    'refused-target',
    `refused where ${name} points to: ${why} (a host of your own is allowed by privateHosts of ${name})`,
  );
}

/** A URL's port, also where it is the scheme's own and URL leaves it out. */
export function effectivePort(url: URL): string {
  if (url.port !== '') return url.port;
  return url.protocol === 'http:' ? '80' : '443';
}

/** An IPv6 host without its brackets. */
export function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function hostKey(hostname: string, port: string): string {
  return JSON.stringify([bare(hostname).toLowerCase(), port]);
}

/** A configured `host[:port]`; without a port it means the ports of both schemes. */
function keysOf(host: string): string[] {
  const asHttp = parseHost('http', host);
  const asHttps = parseHost('https', host);
  return [asHttp, asHttps].map((url) => hostKey(url.hostname, effectivePort(url)));
}

function parseHost(scheme: string, host: string): URL {
  const text = `${scheme}://${host}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.pathname !== '/' || url.username !== '' || host.includes('/')) {
    throw new TypeError(`expected host[:port], got ${JSON.stringify(host)}`);
  }
  return url;
}
