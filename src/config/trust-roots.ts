/** The section `trustRoots`: files are read, addresses and dates checked; what the files hold is for others to read. */
import type {
  BytesFile,
  KeyFile,
  LogKeyConfig,
  NotationPolicyRootConfig,
  NotationRootConfig,
  SigstorePartsConfig,
  SigstoreRootConfig,
  SigstoreSourceConfig,
  SigstoreTufConfig,
  TrustRootConfig,
} from './config.ts';
import { readNotationFolder } from './notation-folder.ts';
import type { NodePath } from './problem.ts';
import type {
  RawLogKey,
  RawNotationRoot,
  RawSigstoreMapping,
  RawSigstoreRoot,
  RawTrustRoot,
  RawTuf,
} from './raw.ts';
import { bytesFile, textFile, type Section } from './section.ts';
import { parseDuration } from './units.ts';

/** How often a mirror is asked unless the configuration says; milliseconds. */
const DEFAULT_REFRESH = parseDuration('24h');
const LEAST_REFRESH = parseDuration('1m');

const PARTS = [
  'certificateAuthorities',
  'transparencyLogs',
  'certificateLogs',
  'timestampAuthorities',
] as const;
const FRESHNESS = ['refresh', 'maxStaleness'] as const;

/** Reads one trust root; mistakes are reported, and what they leave is of no use. */
export function readTrustRoot(section: Section, name: string, raw: RawTrustRoot): TrustRootConfig {
  const path = ['trustRoots', name];
  if ('publicKeys' in raw) {
    const files = filesOf(section, [...path, 'publicKeys'], raw.publicKeys);
    return { name, kind: 'public-keys', files };
  }
  if ('notation' in raw) return readNotation(section, name, [...path, 'notation'], raw.notation);
  return { name, kind: 'sigstore', ...readSigstore(section, [...path, 'sigstore'], raw.sigstore) };
}

/** Bytes of one file of revocation lists; those of large authorities have some ten MiB. */
const MAX_REVOCATION_FILE = 32 * 1024 * 1024;
const STORES = ['ca', 'signingAuthority', 'tsa'] as const;

function readNotation(
  section: Section,
  name: string,
  path: NodePath,
  raw: RawNotationRoot,
): NotationRootConfig | NotationPolicyRootConfig {
  const files = (
    key: (typeof STORES)[number] | 'revocationLists',
    maxBytes?: number,
  ): readonly BytesFile[] | undefined =>
    raw[key]?.map((file, index) => bytesFile(section, [...path, key, index], file, maxBytes));
  const revocationLists = files('revocationLists', MAX_REVOCATION_FILE) ?? [];
  const { configDir, privateHosts = [] } = raw;
  if (configDir !== undefined) {
    for (const key of STORES) {
      if (raw[key] === undefined) continue;
      const message = `"${key}" has no meaning beside configDir: the trust stores are in that folder`;
      section.report([...path, key], message, 'key');
    }
    const folder = readNotationFolder(section, [...path, 'configDir'], configDir);
    return { name, kind: 'notation-policy', folder, revocationLists, privateHosts };
  }
  const [ca, signingAuthority, tsa] = STORES.map((key) => files(key));
  if (ca === undefined && signingAuthority === undefined) {
    section.report(
      path,
      'expected certificates under ca or signingAuthority, or a configDir: nobody could sign',
    );
  }
  return { name, kind: 'notation', ca, signingAuthority, tsa, revocationLists, privateHosts };
}

/** Whether a root says no more than that it is an instance of ours, however it is refreshed elsewhere. */
export function isPlainInstance(root: TrustRootConfig): boolean {
  return (
    root.kind === 'sigstore' &&
    root.source.kind === 'instance' &&
    root.refresh === DEFAULT_REFRESH &&
    root.maxStaleness === undefined
  );
}

type SigstoreParts = Pick<SigstoreRootConfig, 'source' | 'refresh' | 'maxStaleness'>;

function readSigstore(section: Section, path: NodePath, raw: RawSigstoreRoot): SigstoreParts {
  if (typeof raw === 'string') {
    const source: SigstoreSourceConfig = { kind: 'instance', instance: raw };
    return { source, refresh: DEFAULT_REFRESH, maxStaleness: undefined };
  }
  const { instance, tuf, trustedRootFile } = raw;
  if (instance !== undefined) {
    refuseBeside(section, path, raw, 'instance', PARTS);
    return { source: { kind: 'instance', instance }, ...readFreshness(section, path, raw) };
  }
  if (tuf !== undefined) {
    refuseBeside(section, path, raw, 'tuf', PARTS);
    const source = readTuf(section, [...path, 'tuf'], tuf);
    return { source, ...readFreshness(section, path, raw) };
  }
  const never = { refresh: undefined, maxStaleness: undefined };
  if (trustedRootFile !== undefined) {
    refuseBeside(section, path, raw, 'trustedRootFile', [...PARTS, ...FRESHNESS]);
    const file = textFile(section, [...path, 'trustedRootFile'], trustedRootFile);
    return { source: { kind: 'file', file }, ...never };
  }
  refuseBeside(section, path, raw, 'PEM files', FRESHNESS);
  return { source: readParts(section, path, raw), ...never };
}

function refuseBeside(
  section: Section,
  path: NodePath,
  raw: RawSigstoreMapping,
  what: string,
  keys: readonly (keyof RawSigstoreMapping)[],
): void {
  for (const key of keys) {
    if (raw[key] === undefined) continue;
    section.report([...path, key], `"${key}" has no meaning beside ${what}`, 'key');
  }
}

function readFreshness(
  section: Section,
  path: NodePath,
  { refresh: every, maxStaleness }: RawSigstoreMapping,
): Pick<SigstoreRootConfig, 'refresh' | 'maxStaleness'> {
  const refresh =
    every === 'never' ? undefined : every === undefined ? DEFAULT_REFRESH : parseDuration(every);
  if (refresh !== undefined && refresh < LEAST_REFRESH) {
    section.report([...path, 'refresh'], 'expected at least 1m, or never');
  }
  if (maxStaleness === undefined) return { refresh, maxStaleness };
  const bound = parseDuration(maxStaleness);
  if (refresh === undefined || bound < refresh) {
    const expected = refresh === undefined ? 'a refresh beside it' : 'at least as long as refresh';
    section.report([...path, 'maxStaleness'], `expected ${expected}, or nothing would be fresh`);
  }
  return { refresh, maxStaleness: bound };
}

function readTuf(section: Section, path: NodePath, raw: RawTuf): SigstoreTufConfig {
  const { target, insecureHttp } = raw;
  const url = URL.parse(raw.mirror);
  const mistake = url === null ? NOT_A_URL : mirrorMistake(url, insecureHttp);
  if (mistake !== undefined) section.report([...path, 'mirror'], mistake);
  return {
    kind: 'tuf',
    mirror: url === null ? '' : `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    root: textFile(section, [...path, 'rootFile'], raw.rootFile),
    target,
    insecureHttp,
  };
}

const NOT_A_URL = 'expected a URL such as https://tuf.example/repository';

/** The url itself is never quoted: it may carry a password where none belongs. */
function mirrorMistake(url: URL, insecureHttp: boolean): string | undefined {
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') return NOT_A_URL;
  if (url.hostname.includes('$')) return NOT_A_URL;
  if (url.username !== '' || url.password !== '') {
    return 'expected no user name or password in the URL of a mirror';
  }
  if (url.search !== '' || url.hash !== '') return 'expected a URL without ? and #';
  if (!secure && !insecureHttp) return 'expected https; plain HTTP needs insecureHttp: true';
  if (secure && insecureHttp) {
    return 'expected a URL that begins with http:// where insecureHttp is true';
  }
  return undefined;
}

function readParts(section: Section, path: NodePath, raw: RawSigstoreMapping): SigstorePartsConfig {
  const { certificateAuthorities = [], timestampAuthorities = [] } = raw;
  const { transparencyLogs = [], certificateLogs = [] } = raw;
  const at = (key: (typeof PARTS)[number]): NodePath => [...path, key];
  return {
    kind: 'parts',
    certificateAuthorities: filesOf(section, at('certificateAuthorities'), certificateAuthorities),
    transparencyLogs: transparencyLogs.map((log, index) => ({
      ...readLogKey(section, [...at('transparencyLogs'), index], log),
      origin: log.origin,
    })),
    certificateLogs: certificateLogs.map((log, index) =>
      readLogKey(section, [...at('certificateLogs'), index], log),
    ),
    timestampAuthorities: filesOf(section, at('timestampAuthorities'), timestampAuthorities),
  };
}

function readLogKey(section: Section, path: NodePath, raw: RawLogKey): LogKeyConfig {
  const validFrom = readDate(section, [...path, 'validFrom'], raw.validFrom);
  const validUntil = readDate(section, [...path, 'validUntil'], raw.validUntil);
  if (validFrom !== undefined && validUntil !== undefined && validUntil < validFrom) {
    section.report([...path, 'validUntil'], 'expected a date after validFrom');
  }
  return { file: textFile(section, [...path, 'keyFile'], raw.keyFile), validFrom, validUntil };
}

function readDate(section: Section, path: NodePath, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  // Some readers take the 30th of February for the 2nd of March.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(text.replace('Z', ''))) {
    section.report(path, `expected a day of the calendar, got ${JSON.stringify(text)}`);
  }
  return time;
}

function filesOf(section: Section, path: NodePath, names: readonly string[]): readonly KeyFile[] {
  return names.map((name, index) => textFile(section, [...path, index], name));
}
