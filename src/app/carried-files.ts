/** The files that a bundle brings along: keys, certificates, rules, lists of what was revoked. */
import { mkdir, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CarriedFile, CarriedKey } from '../cli/import-desk.ts';
import type { Bundle } from '../layout/bundle.ts';
import { MAX_FILE } from '../layout/bounds.ts';
import type { RecordedFile } from '../layout/export-record.ts';
import { LayoutError } from '../layout/layout-error.ts';
import type { Layout } from '../layout/layout.ts';
import type { Certificate } from '../trust/certificate.ts';
import { parseCertificates } from '../trust/pem.ts';
import { parsePublicKeys } from '../trust/public-key.ts';
import type { SigstoreAuthorities, TrustRoot } from '../trust/trust-root.ts';
import { parseTrustedRoot } from '../trust/trusted-root.ts';
import { isAnswerName, type AnswerFiles } from '../verify/notation/revocation/answer-cache.ts';
import { isListBy } from '../verify/notation/revocation/list-judgement.ts';
import {
  parseRevocationList,
  type RevocationList,
} from '../verify/notation/revocation/revocation-list.ts';

/** Revocation lists that one bundle may bring: the folder of this side has room for more than those alone. */
const MAX_LISTS = 64;

export async function describeFiles(
  layout: Layout,
  { record }: Bundle,
  trustRoots: ReadonlyMap<string, TrustRoot>,
): Promise<readonly CarriedFile[]> {
  const known = new Map<string, string[]>();
  for (const root of trustRoots.values()) {
    for (const fingerprint of new Set(fingerprintsOf(root))) {
      known.set(fingerprint, [...(known.get(fingerprint) ?? []), root.name]);
    }
  }
  const described: CarriedFile[] = [];
  for (const file of record.files) {
    const { path, size } = file;
    const found = new Set(fingerprintsIn(await readFile(layout, file), basename(path)));
    const fingerprints = [...found].map((fingerprint): CarriedKey => ({
      fingerprint,
      knownAs: known.get(fingerprint) ?? [],
    }));
    described.push({ path, size, fingerprints });
  }
  return described;
}

/** @throws {LayoutError} `unreadable` for a folder with something in it. */
export async function extractFiles(
  layout: Layout,
  { record }: Bundle,
  folder: string,
): Promise<readonly string[]> {
  await onDisk(folder, async () => {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0) {
      throw new LayoutError('unreadable', `expected ${folder} to be empty, or not there yet`);
    }
  });
  const written: string[] = [];
  for (const file of record.files) {
    const path = join(folder, file.path);
    const bytes = await readFile(layout, file);
    await onDisk(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      await using handle = await open(path, 'wx', 0o644);
      await handle.writeFile(bytes);
    });
    written.push(path);
  }
  return written;
}

/** @throws {LayoutError} `unreadable` for what the system has against it. */
async function onDisk(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof LayoutError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new LayoutError('unreadable', `cannot write ${path}: ${reason}`, error);
  }
}

/**
 * Puts revocation lists where the check keeps its own answers. Nothing is believed by that: whoever finds one there verifies
 * it. A newer one stays, and one that an authority of this side signed is never replaced by one that none of them did: nor
 * does whatever lies in its place keep it away.
 * @param issuers authorities of this side.
 * @returns what people should know.
 */
export async function keepRevocationLists(
  layout: Layout,
  { record }: Bundle,
  answers: AnswerFiles,
  now: number,
  issuers: readonly Certificate[] = [],
): Promise<readonly string[]> {
  const isProven = (list: RevocationList): boolean =>
    issuers.some((issuer) => isListBy(list, issuer));
  let kept = 0;
  let newer = 0;
  const lists = record.files.filter(
    ({ path }) => path.startsWith('revocation/') && isAnswerName(basename(path)),
  );
  for (const file of lists.slice(0, MAX_LISTS)) {
    const name = basename(file.path);
    const bytes = await readFile(layout, file);
    const list = parse(bytes);
    if (list === undefined || list.thisUpdate > now) continue;
    const present = await answers.find(name);
    const known = present && parse(present.bytes);
    if (known !== undefined && (isProven(known) || !isProven(list))) {
      // Nobody's list takes the place of another's: where it is not what is asked for, nothing could be told.
      if (!known.rawIssuer.equals(list.rawIssuer)) continue;
      if (known.thisUpdate >= list.thisUpdate) {
        newer++;
        continue;
      }
      if (isProven(known) && !isProven(list)) continue;
    }
    // As old as it says: where somebody can be asked, that is soon.
    await answers.keep(name, { bytes, at: list.thisUpdate });
    kept++;
  }
  return [
    ...(kept === 0 ? [] : [`${listsText(kept, 'was', 'were')} taken over, to be verified in use`]),
    ...(newer === 0 ? [] : [`${listsText(newer, 'is', 'are')} here already, as new or newer`]),
    ...(lists.length > MAX_LISTS ? [`only ${MAX_LISTS} revocation lists were looked at`] : []),
  ];
}

function listsText(count: number, one: string, many: string): string {
  return `${count} revocation ${count === 1 ? `list ${one}` : `lists ${many}`}`;
}

/** Undefined for what is no list. */
function parse(bytes: Buffer): RevocationList | undefined {
  try {
    return parseRevocationList(bytes);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readFile(layout: Layout, { digest }: RecordedFile): Promise<Buffer> {
  return layout.read(digest, MAX_FILE);
}

/** Who signs certificates for those whom this side trusts. */
export function authoritiesOf(roots: Iterable<TrustRoot>): readonly Certificate[] {
  return [...roots].flatMap((root) => {
    if (root.kind === 'notation') return [...root.ca, ...root.signingAuthority, ...root.tsa];
    return root.kind === 'notation-policy' ? authoritiesOf(root.roots.values()) : [];
  });
}

function fingerprintsOf(root: TrustRoot): readonly string[] {
  switch (root.kind) {
    case 'public-keys':
      return root.keys.map(({ fingerprint }) => fingerprint);
    case 'sigstore':
      return ofAuthorities(root.authorities);
    case 'notation':
      return [...root.ca, ...root.signingAuthority, ...root.tsa].map(
        ({ fingerprint }) => fingerprint,
      );
    case 'notation-policy':
      return [...root.roots.values()].flatMap(fingerprintsOf);
  }
}

function ofAuthorities(authorities: SigstoreAuthorities): readonly string[] {
  const { certificateAuthorities, timestampAuthorities } = authorities;
  const { transparencyLogs, certificateLogs } = authorities;
  return [
    ...[...certificateAuthorities, ...timestampAuthorities].flatMap(({ chain }) =>
      chain.map(({ fingerprint }) => fingerprint),
    ),
    ...[...transparencyLogs, ...certificateLogs].map(({ key }) => key.fingerprint),
  ];
}

function fingerprintsIn(bytes: Buffer, label: string): readonly string[] {
  const readers = [
    () => parsePublicKeys(bytes.toString(), label).map(({ fingerprint }) => fingerprint),
    () => parseCertificates(bytes.toString(), label).map(({ fingerprint }) => fingerprint),
    () => ofAuthorities(parseTrustedRoot(bytes)),
  ];
  for (const read of readers) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return [];
}
