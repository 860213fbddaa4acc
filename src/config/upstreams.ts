/** The section `upstreams`: canonical names, origins without surprises, at most one default. */
import { canonicalRegistry, isRegistryName } from '../oci/reference.ts';
import type { MirrorConfig, PlaceConfig, UpstreamConfig } from './upstream-config.ts';
import { readCredentials } from './credentials.ts';
import type { NodePath } from './problem.ts';
import type { RawMirror, RawPlace, RawUpstream } from './raw.ts';
import { readableFile, type Section } from './section.ts';

const DOCKER_HUB = 'https://registry-1.docker.io';

/** Reads the upstreams of one file; mistakes are reported, and what they leave is of no use. */
export function readUpstreams(
  section: Section,
  raw: Readonly<Record<string, RawUpstream>>,
): readonly UpstreamConfig[] {
  const names = new Map<string, string>();
  return Object.entries(raw).map(([name, upstream]) => {
    checkName(section, name, names);
    return readUpstream(section, name, upstream);
  });
}

/** Whether an upstream says no more than its name. */
export function isPlainUpstream(upstream: UpstreamConfig): boolean {
  const { name, url, insecureHttp, caFile, credentials, privateHosts, mirrors, offline } = upstream;
  return (
    url === defaultUrl(name) &&
    !upstream.default &&
    !offline &&
    !insecureHttp &&
    caFile === undefined &&
    credentials === undefined &&
    privateHosts.length === 0 &&
    mirrors.length === 0
  );
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
  if (raw.url === undefined && raw.insecureHttp) {
    section.report([...path, 'insecureHttp'], NEEDLESS_HTTP);
  }
  const place = readPlace(section, path, raw);
  const mirrors = raw.mirrors.map((mirror, index) =>
    readMirror(section, [...path, 'mirrors', index], mirror),
  );
  const url = raw.url === undefined ? defaultUrl(name) : place.url;
  checkMirrors(section, path, url, mirrors);
  return { ...place, name, url, default: raw.default, offline: raw.offline, mirrors };
}

function readMirror(section: Section, path: NodePath, raw: RawMirror): MirrorConfig {
  if (typeof raw !== 'string') {
    const { preferred, tags } = raw;
    return { ...readPlace(section, path, raw), preferred, tags };
  }
  const url = readUrl(section, path, raw, false);
  const nothing = { caFile: undefined, credentials: undefined, privateHosts: [] };
  return { url, insecureHttp: false, ...nothing, preferred: false, tags: false };
}

/** A place that is there twice would be asked again right after it failed. */
function checkMirrors(
  section: Section,
  path: NodePath,
  own: string,
  mirrors: readonly PlaceConfig[],
): void {
  const seen = new Set([own]);
  for (const [index, { url }] of mirrors.entries()) {
    if (url !== '' && seen.has(url)) {
      section.report([...path, 'mirrors', index], `${url} is asked already`);
    }
    seen.add(url);
  }
}

/** What upstreams and mirrors have in common; a url that is not there is ''. */
function readPlace(section: Section, path: NodePath, raw: RawPlace): PlaceConfig {
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
    url: raw.url === undefined ? '' : readUrl(section, [...path, 'url'], raw.url, raw.insecureHttp),
    insecureHttp: raw.insecureHttp,
    caFile,
    credentials:
      raw.credentials === undefined
        ? undefined
        : readCredentials(section, [...path, 'credentials'], raw.credentials),
    privateHosts: raw.privateHosts,
  };
}

function readUrl(section: Section, path: NodePath, text: string, insecureHttp: boolean): string {
  const url = URL.parse(text);
  const mistake = url === null ? NOT_A_URL : urlMistake(url, insecureHttp);
  if (mistake !== undefined) section.report(path, mistake);
  return url?.origin ?? '';
}

function defaultUrl(name: string): string {
  return name === 'docker.io' ? DOCKER_HUB : `https://${name}`;
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
