/** Trust roots for the other side of an export: their files, and the configuration that names these. */
import { basename, join } from 'node:path';
import type { ExportFile } from '../carry/export-plan.ts';
import type {
  BytesFile,
  KeyFile,
  LogKeyConfig,
  NotationPolicyRootConfig,
  NotationRootConfig,
  SigstorePartsConfig,
  SigstoreRootConfig,
  TrustRootConfig,
} from '../config/config.ts';
import { findTrustedRoot } from './trust-roots.ts';

const PEM = 'application/x-pem-file';
const TRUSTED_ROOT = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';
export const REVOCATION_LIST = 'application/pkix-crl';
const OTHER = 'application/octet-stream';

export interface ExportedRoot {
  /** As it stands in `trustRoots` of a configuration beside the files. */
  readonly written: object;
  readonly files: readonly ExportFile[];
}

/** @param cachePath of the proxy, which keeps there what it fetched. */
export async function exportTrustRoot(
  config: TrustRootConfig,
  cachePath: string,
): Promise<ExportedRoot> {
  const taken = new Taken(config.name);
  switch (config.kind) {
    case 'public-keys': {
      const publicKeys = config.files.map((file) => taken.text(file));
      return { written: { publicKeys }, files: taken.files };
    }
    case 'sigstore':
      return { written: await sigstoreOf(config, taken, cachePath), files: taken.files };
    case 'notation':
      return { written: { notation: notationOf(config, taken) }, files: taken.files };
    case 'notation-policy':
      return { written: { notation: policyOf(config, taken) }, files: taken.files };
  }
}

/** Files of one root, each under a name of its own. */
class Taken {
  readonly files: ExportFile[] = [];
  readonly #folder: string;

  constructor(name: string) {
    this.#folder = encodeURIComponent(name).replace(/^\.+$/, (dots) => dots.replaceAll('.', '%2E'));
  }

  /** @returns the path in the bundle. */
  add(top: 'trust' | 'revocation', name: string, mediaType: string, bytes: Buffer): string {
    const path = `${top}/${this.#folder}/${name}`;
    this.files.push({ path, mediaType, bytes });
    return path;
  }

  text({ path, text }: KeyFile): string {
    return this.add('trust', this.#named(path), PEM, Buffer.from(text));
  }

  certificates = ({ path, bytes }: BytesFile): string =>
    this.add('trust', this.#named(path), isPem(bytes) ? PEM : OTHER, bytes);

  list = ({ path, bytes }: BytesFile): string =>
    this.add('revocation', this.#named(path), REVOCATION_LIST, bytes);

  folder(path: string): string {
    return `trust/${this.#folder}/${path}`;
  }

  /** Names stay: they are what keys and logs are called. Files of one name may come from several folders. */
  #named(path: string): string {
    const name = basename(path).replaceAll(/[^A-Za-z0-9._-]/g, '_');
    const isTaken = this.files.some(
      (file) => basename(file.path).toLowerCase() === name.toLowerCase(),
    );
    return isTaken ? `${this.files.length + 1}/${name}` : name;
  }
}

async function sigstoreOf(
  config: SigstoreRootConfig,
  taken: Taken,
  cachePath: string,
): Promise<object> {
  const { source } = config;
  if (source.kind === 'parts') return { sigstore: partsOf(source, taken) };
  const root = await findTrustedRoot(config, join(cachePath, 'trust'));
  if (root === undefined) return { sigstore: source.kind === 'instance' ? source.instance : {} };
  const trustedRootFile = taken.add('trust', 'trusted_root.json', TRUSTED_ROOT, root);
  return { sigstore: { trustedRootFile } };
}

function partsOf(parts: SigstorePartsConfig, taken: Taken): object {
  const file = (one: KeyFile): string => taken.text(one);
  const log = ({ file: key, validFrom, validUntil }: LogKeyConfig) => ({
    keyFile: taken.text(key),
    ...(validFrom === undefined ? {} : { validFrom: dateText(validFrom) }),
    ...(validUntil === undefined ? {} : { validUntil: dateText(validUntil) }),
  });
  return withoutEmpty({
    certificateAuthorities: parts.certificateAuthorities.map(file),
    transparencyLogs: parts.transparencyLogs.map((one) => ({ ...log(one), origin: one.origin })),
    certificateLogs: parts.certificateLogs.map(log),
    timestampAuthorities: parts.timestampAuthorities.map(file),
  });
}

function notationOf(config: NotationRootConfig, taken: Taken): object {
  const { ca, signingAuthority, tsa, revocationLists, privateHosts } = config;
  return {
    ...(ca === undefined ? {} : { ca: ca.map(taken.certificates) }),
    ...(signingAuthority === undefined
      ? {}
      : { signingAuthority: signingAuthority.map(taken.certificates) }),
    ...(tsa === undefined ? {} : { tsa: tsa.map(taken.certificates) }),
    ...withoutEmpty({ revocationLists: revocationLists.map(taken.list), privateHosts }),
  };
}

/** Links and what could not be read say nothing, here as there. */
function policyOf(config: NotationPolicyRootConfig, taken: Taken): object {
  const { folder, revocationLists, privateHosts } = config;
  for (const entry of folder.entries) {
    if (entry.kind === 'file') taken.add('trust', entry.path, OTHER, entry.bytes);
  }
  const configDir = taken.folder('').slice(0, -1);
  return {
    configDir,
    ...withoutEmpty({ revocationLists: revocationLists.map(taken.list), privateHosts }),
  };
}

/** As configurations write moments: in whole seconds. */
function dateText(moment: number): string {
  return new Date(moment).toISOString().replace(/\.\d+Z$/, 'Z');
}

function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ');
}

function withoutEmpty(lists: Readonly<Record<string, readonly unknown[]>>): object {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}
