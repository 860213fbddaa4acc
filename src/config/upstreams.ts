/** The section `upstreams`: canonical names, origins without surprises, at most one default. */
import { canonicalRegistry, isRegistryName } from '../oci/reference.ts';
import type { UpstreamConfig } from './config.ts';
import { readCredentials } from './credentials.ts';
import type { RawUpstream } from './raw.ts';
import { readableFile, type Section } from './section.ts';

const DOCKER_HUB = 'https://registry-1.docker.io';

/** Reads every upstream; mistakes are reported, and what they leave is of no use. */
export function readUpstreams(
  section: Section,
  raw: Readonly<Record<string, RawUpstream>>,
): readonly UpstreamConfig[] {
  const names = new Map<string, string>();
  let defaultName: string | undefined;
  return Object.entries(raw).map(([name, upstream]) => {
    checkName(section, name, names);
    if (upstream.default) {
      if (defaultName !== undefined) {
        section.report(
          ['upstreams', name, 'default'],
          `only one upstream can be the default, and ${JSON.stringify(defaultName)} is`,
        );
      }
      defaultName ??= name;
    }
    return readUpstream(section, name, upstream);
  });
}

function checkName(section: Section, name: string, names: Map<string, string>): void {
  const path = ['upstreams', name];
  const canonical = canonicalRegistry(name);
  const twin = names.get(canonical);
  if (!isRegistryName(canonical)) {
    section.report(
      path,
      'expected a registry host such as ghcr.io or registry.example:5000',
      'key',
    );
  } else if (twin !== undefined) {
    section.report(path, `is the same registry as ${JSON.stringify(twin)}`, 'key');
  } else if (canonical !== name) {
    section.report(path, `expected the canonical name ${JSON.stringify(canonical)}`, 'key');
  }
  names.set(canonical, twin ?? name);
}

function readUpstream(section: Section, name: string, raw: RawUpstream): UpstreamConfig {
  const path = ['upstreams', name];
  const caFile =
    raw.tls === undefined
      ? undefined
      : readableFile(section, [...path, 'tls', 'caFile'], raw.tls.caFile);
  for (const [index, host] of raw.privateHosts.entries()) {
    if (!isRegistryName(host)) {
      section.report(
        [...path, 'privateHosts', index],
        `expected a host or host:port in lower case, got ${JSON.stringify(host)}`,
      );
    }
  }
  return {
    name,
    url: readUrl(section, name, raw),
    default: raw.default,
    insecureHttp: raw.insecureHttp,
    caFile,
    credentials:
      raw.credentials === undefined
        ? undefined
        : readCredentials(section, [...path, 'credentials'], raw.credentials),
    privateHosts: raw.privateHosts,
  };
}

function readUrl(section: Section, name: string, raw: RawUpstream): string {
  const path = ['upstreams', name];
  if (raw.url === undefined) {
    if (raw.insecureHttp) section.report([...path, 'insecureHttp'], NEEDLESS_HTTP);
    return name === 'docker.io' ? DOCKER_HUB : `https://${name}`;
  }
  const url = URL.parse(raw.url);
  const mistake = url === null ? NOT_A_URL : urlMistake(url, raw.insecureHttp);
  if (mistake !== undefined) section.report([...path, 'url'], mistake);
  return url?.origin ?? '';
}

const NOT_A_URL = 'expected a URL such as https://registry.example:8443';

const NEEDLESS_HTTP = 'expected a url that begins with http:// where insecureHttp is true';

/** What URL leaves of a host; it would take a forgotten ${NAME} for one. */
const HOST_NAME = /^(?:[a-z0-9._-]+|\[[0-9a-f:]+\])$/;

/** The url itself is never quoted: it may carry a password where none belongs. */
function urlMistake(url: URL, insecureHttp: boolean): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return NOT_A_URL;
  if (!HOST_NAME.test(url.hostname)) return NOT_A_URL;
  if (url.username !== '' || url.password !== '') {
    return 'expected no user name or password in the url: they belong under credentials';
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return 'expected scheme, host and port only, as in https://registry.example:8443';
  }
  if (url.protocol === 'http:' && !insecureHttp) {
    return 'expected https; plain HTTP needs insecureHttp: true';
  }
  if (url.protocol === 'https:' && insecureHttp) {
    return NEEDLESS_HTTP;
  }
  return undefined;
}
