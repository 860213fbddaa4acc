/** What the other side of an export needs to verify it: rules as they are written, trust roots, lists of what was revoked. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ExportFile } from '../carry/export-plan.ts';
import type { Config, RuleConfig } from '../config/config.ts';
import { parseConfigDocument } from '../config/document.ts';
import { isJsonObject } from '../oci/json.ts';
import { entriesOf } from '../store/kept-files.ts';
import { isAnswerName } from '../verify/notation/revocation/answer-cache.ts';
import { parseRevocationList } from '../verify/notation/revocation/revocation-list.ts';
import { exportTrustRoot, REVOCATION_LIST } from './export-trust.ts';

const RULES = 'application/vnd.countersign.rules.v1+yaml';
const HEADER = `# Rules and trust roots under which these images were exported. Nothing of it is in force by being here: look at it,
# and take into your own configuration what you mean to trust.
`;
const PRIVATE_KEY = ' PRIVATE KEY-----';
/** Bytes of all revocation lists from the cache. */
const MAX_LISTS = 64 * 1024 * 1024;

/**
 * @param rules names of the rules that govern what is exported.
 * @throws {Error} for a trust root in whose files a private key lies.
 */
export async function collectExportFiles(
  config: Config,
  rules: ReadonlySet<string>,
): Promise<readonly ExportFile[]> {
  const governing = config.policies.filter(({ name }) => rules.has(name));
  const names = new Set(governing.flatMap(({ require }) => [...trustRootsOf(require)]));
  const roots = config.trustRoots.filter(({ name }) => names.has(name));
  const trustRoots: Record<string, object> = {};
  const files: ExportFile[] = [];
  for (const root of roots) {
    const exported = await exportTrustRoot(root, config.cache.path);
    trustRoots[root.name] = exported.written;
    files.push(...exported.files);
  }
  if (roots.some(({ kind }) => kind === 'notation' || kind === 'notation-policy')) {
    files.push(...(await keptLists(join(config.cache.path, 'revocation'))));
  }
  const policies = await writtenRules(config, governing);
  const text = `${HEADER}${stringify({ trustRoots, policies }, { lineWidth: 0 })}`;
  const written = { path: 'rules.yaml', mediaType: RULES, bytes: Buffer.from(text) };
  for (const { path, bytes } of files) {
    // Readers of certificates pass over what else a file has; who is given the bundle would not.
    if (!bytes.includes(PRIVATE_KEY)) continue;
    throw new Error(
      `what would be ${path} holds a private key: take it out of the file of the trust root`,
    );
  }
  // The same file may be named by several roots; each path is there once.
  return [...new Map([written, ...files].map((file) => [file.path, file])).values()];
}

/** Every trust root that a requirement names, however deep. */
function* trustRootsOf(requirement: unknown): Generator<string> {
  if (Array.isArray(requirement)) {
    for (const one of requirement as readonly unknown[]) yield* trustRootsOf(one);
  } else if (isJsonObject(requirement)) {
    for (const [name, value] of Object.entries(requirement)) {
      if (typeof value === 'string' && (name === 'trustRoot' || name === 'logsFrom')) yield value;
      // A schema is its own language.
      else if (name !== 'schema') yield* trustRootsOf(value);
    }
  }
}

/** As the configuration's files have them, in their order; schemas of files are written in their place. */
async function writtenRules(
  config: Config,
  governing: readonly RuleConfig[],
): Promise<readonly unknown[]> {
  const written = new Map<unknown, unknown>();
  for (const file of [config.file, ...config.included]) {
    const { value } = parseConfigDocument(await readFile(file, 'utf8'), file);
    const policies: unknown = isJsonObject(value) ? value['policies'] : undefined;
    for (const rule of Array.isArray(policies) ? (policies as readonly unknown[]) : []) {
      if (isJsonObject(rule)) written.set(rule['name'], rule);
    }
  }
  return governing.flatMap((rule) => {
    const raw = written.get(rule.name);
    return raw === undefined ? [] : [withSchemas(raw, rule)];
  });
}

function withSchemas(raw: unknown, read: unknown): unknown {
  if (Array.isArray(raw)) {
    const list = Array.isArray(read) ? (read as readonly unknown[]) : [];
    return raw.map((one: unknown, index) => withSchemas(one, list[index]));
  }
  if (!isJsonObject(raw)) return raw;
  const object = isJsonObject(read) ? read : {};
  const { schemaFile, ...rest } = raw;
  const written = Object.entries(rest).map(([name, value]): [string, unknown] => [
    name,
    name === 'schema' ? value : withSchemas(value, object[name]),
  ]);
  return Object.fromEntries(
    schemaFile === undefined ? written : [...written, ['schema', object['schema']]],
  );
}

/** Lists that this side was given when it asked, under the names by which the other side finds them. */
async function keptLists(folder: string): Promise<readonly ExportFile[]> {
  const files: ExportFile[] = [];
  let left = MAX_LISTS;
  for (const { name } of await entriesOf(folder)) {
    if (!isAnswerName(name)) continue;
    const bytes = await readFile(join(folder, name));
    if (bytes.length > left || !isRevocationList(bytes)) continue;
    left -= bytes.length;
    files.push({ path: `revocation/${name}`, mediaType: REVOCATION_LIST, bytes });
  }
  return files;
}

/** Answers of OCSP responders are kept there too; they do not live long enough to be carried. */
function isRevocationList(bytes: Buffer): boolean {
  try {
    parseRevocationList(bytes);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
