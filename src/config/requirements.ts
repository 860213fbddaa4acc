/** What a rule demands: trust roots that exist and are of the right kind, counts that can be met, files that are read. */
import { isJsonObject, parseJsonText, type JsonObject } from '../oci/json.ts';
import type {
  AttestationConfig,
  KeySignerConfig,
  NotationSignerConfig,
  RequirementConfig,
  SignerConfig,
  TrustRootConfig,
} from './config.ts';
import type { NodePath } from './problem.ts';
import type { RawAttestation, RawRequirement, RawSigner } from './raw.ts';
import { textFile, type Section } from './section.ts';
import { suggest } from './suggest.ts';
import { parseDuration } from './units.ts';

/** The trust roots that rules may name, and what each holds. */
export type RootKinds = ReadonlyMap<string, TrustRootConfig['kind']>;

const KIND_WORDS = {
  'public-keys': 'public keys',
  sigstore: 'sigstore',
  notation: 'notation',
  'notation-policy': 'notation',
} as const;

/** What Notation's own policy says in the place of a rule. */
const SAID_BY_POLICY = ['identities', 'level', 'override', 'timestamps'] as const;

/** Reads one requirement and what is below it; mistakes are reported. */
export function readRequirement(
  section: Section,
  path: NodePath,
  raw: RawRequirement,
  roots: RootKinds,
): RequirementConfig {
  const readAll = (key: NodePath, of: readonly RawRequirement[]): readonly RequirementConfig[] =>
    of.map((child, index) => readRequirement(section, [...path, ...key, index], child, roots));
  if ('key' in raw || 'sigstore' in raw) return readSigner(section, path, raw, roots);
  if ('notation' in raw) {
    checkNotation(section, [...path, 'notation'], raw.notation, roots);
    return raw;
  }
  if ('attestation' in raw) {
    const at = [...path, 'attestation'];
    return { attestation: readAttestation(section, at, raw.attestation, roots) };
  }
  if ('allOf' in raw) return { allOf: readAll(['allOf'], raw.allOf) };
  if ('anyOf' in raw) return { anyOf: readAll(['anyOf'], raw.anyOf) };
  const { count, of } = raw.atLeast;
  if (count > of.length) {
    section.report(
      [...path, 'atLeast', 'count'],
      `expected a count from 1 to ${of.length}, the number of alternatives, got ${count}`,
    );
  }
  return { atLeast: { count, of: readAll(['atLeast', 'of'], of) } };
}

function readSigner(
  section: Section,
  path: NodePath,
  raw: RawSigner,
  roots: RootKinds,
): SignerConfig {
  if ('key' in raw) return { key: readKey(section, [...path, 'key'], raw.key, roots) };
  const { sigstore } = raw;
  checkRoot(section, [...path, 'sigstore', 'trustRoot'], sigstore.trustRoot, 'sigstore', roots);
  return { sigstore };
}

function readKey(
  section: Section,
  path: NodePath,
  raw: KeySignerConfig,
  roots: RootKinds,
): KeySignerConfig {
  checkRoot(section, [...path, 'trustRoot'], raw.trustRoot, 'public-keys', roots);
  const counts = raw.transparencyLog > 0 || raw.timestamps > 0;
  if (raw.logsFrom !== undefined) {
    checkRoot(section, [...path, 'logsFrom'], raw.logsFrom, 'sigstore', roots);
    if (!counts) {
      const message = 'expected transparencyLog or timestamps above 0 beside logsFrom';
      section.report([...path, 'logsFrom'], message, 'key');
    }
    return raw;
  }
  if (!counts) return raw;
  const known = namesOf('sigstore', roots);
  const [only] = known;
  if (only !== undefined && known.length === 1) return { ...raw, logsFrom: only };
  section.report(
    path,
    only === undefined
      ? 'transparencyLog and timestamps need a sigstore trust root that knows logs and authorities, such as sigstore-public: { sigstore: public-good }'
      : `expected a key "logsFrom" that says whose logs and authorities count: ${known.join(', ')}`,
  );
  return raw;
}

/** A trust root that is a policy of Notation's own says by itself whom it takes, and how strictly. */
function checkNotation(
  section: Section,
  path: NodePath,
  raw: NotationSignerConfig,
  roots: RootKinds,
): void {
  const { trustRoot, identities } = raw;
  const kind = roots.get(trustRoot);
  if (kind === 'notation-policy') {
    for (const key of SAID_BY_POLICY) {
      if (raw[key] === undefined) continue;
      const message = `"${key}" has no meaning here: trust root ${JSON.stringify(trustRoot)} is a configDir, whose trust policy says it`;
      section.report([...path, key], message, 'key');
    }
    return;
  }
  checkRoot(section, [...path, 'trustRoot'], trustRoot, 'notation', roots);
  if (kind === 'notation' && identities === undefined) {
    section.report(path, 'expected a key "identities"');
  }
}

function readAttestation(
  section: Section,
  path: NodePath,
  raw: RawAttestation,
  roots: RootKinds,
): AttestationConfig {
  const { type, rule } = raw;
  const maxAge = raw.maxAge === undefined ? undefined : parseDuration(raw.maxAge);
  if (maxAge === 0) section.report([...path, 'maxAge'], 'expected a duration above 0s');
  return {
    type,
    by: readSigner(section, [...path, 'by'], raw.by, roots),
    schema: readSchema(section, path, raw),
    rule,
    maxAge,
  };
}

function readSchema(
  section: Section,
  path: NodePath,
  { schema, schemaFile }: RawAttestation,
): JsonObject | undefined {
  if (schemaFile === undefined) return schema;
  const at = [...path, 'schemaFile'];
  if (schema !== undefined) {
    section.report(at, 'expected schema or schemaFile, got both', 'key');
    return schema;
  }
  const file = textFile(section, at, schemaFile);
  // An unreadable file has been reported.
  if (file.text === '') return undefined;
  try {
    const value = parseJsonText(file.text);
    if (isJsonObject(value)) return value;
    section.report(at, `expected a JSON object in ${file.path}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    section.report(at, `${error.message} in ${file.path}`);
  }
  return undefined;
}

function checkRoot(
  section: Section,
  path: NodePath,
  name: string,
  kind: TrustRootConfig['kind'],
  roots: RootKinds,
): void {
  const found = roots.get(name);
  if (found === kind) return;
  const known = namesOf(kind, roots);
  if (found !== undefined) {
    const others = known.length === 0 ? 'there is none' : `such as ${known.join(', ')}`;
    section.report(
      path,
      `trust root ${JSON.stringify(name)} holds ${KIND_WORDS[found]}, expected one of ${KIND_WORDS[kind]}: ${others}`,
    );
    return;
  }
  const hint = roots.size === 0 ? ': the section trustRoots is empty' : suggest(name, known);
  section.report(path, `unknown trust root ${JSON.stringify(name)}${hint}`);
}

function namesOf(kind: TrustRootConfig['kind'], roots: RootKinds): readonly string[] {
  const words = KIND_WORDS[kind];
  return [...roots].filter(([, found]) => KIND_WORDS[found] === words).map(([name]) => name);
}
