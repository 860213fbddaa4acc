/** What the schema refused, said the way a person would: one sentence for each mistake. */
import type { ErrorObject } from 'ajv';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { Finding, NodePath } from './problem.ts';
import { suggest } from './suggest.ts';

const TYPES: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'nothing',
};

/** By the title of the schema whose pattern did not match; a password is never quoted. */
const PATTERNS: Readonly<Record<string, { readonly expected: string; readonly secret?: true }>> = {
  Duration: { expected: 'a duration such as 30s, 5m, 1h' },
  Size: { expected: 'a size such as 512MiB, 20GiB' },
  Name: { expected: 'a name without control characters' },
  Patterns: { expected: 'a pattern that includes (a leading ! only excludes, in a list)' },
  Refresh: { expected: 'a duration such as 24h, or never' },
  Date: { expected: 'a date such as 2026-01-31 or 2026-01-31T12:00:00Z' },
  'Internal location': {
    expected:
      'a path such as /internal/blobs/, of letters, digits, "-", "_", "~" and "." between slashes, and not below /v2/',
  },
  Target: { expected: 'the name of a target such as trusted_root.json' },
  'Sigstore root': { expected: 'public-good, github or a mapping' },
  Reference: { expected: 'exact, repository or a mapping with remap' },
  'Password variable': {
    expected:
      'an environment variable such as ${REGISTRY_PASSWORD} (a password itself belongs in a passwordFile)',
    secret: true,
  },
};

/**
 * Translates what ajv found.
 * @param value the data that was validated, to tell list indices from keys.
 */
export function describeSchemaErrors(
  errors: readonly ErrorObject[],
  value: unknown,
): readonly Finding[] {
  // The parts of a oneOf speak through the oneOf itself.
  const own = errors.filter(({ schemaPath }) => !/\/oneOf\/[0-9]+\//.test(schemaPath));
  const unknown = own.filter(({ keyword }) => keyword === 'additionalProperties');
  const explained = new Set(
    unknown.filter((error) => suggestionFor(error) !== '').map(({ instancePath }) => instancePath),
  );
  // What is no mapping at all has not chosen wrongly.
  for (const { keyword, instancePath } of own) if (keyword === 'type') explained.add(instancePath);
  return own
    .filter((error) => !isChoice(error) || !explained.has(error.instancePath))
    .map((error) => describe(error, pathOf(error.instancePath, value)));
}

function describe(error: ErrorObject, path: NodePath): Finding {
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params['additionalProperty']);
    const message = `unknown key ${quote(key)}${suggestionFor(error)}`;
    return { path: [...path, key], message, at: 'key' };
  }
  return { path, message: messageOf(error) };
}

function messageOf(error: ErrorObject): string {
  const { keyword, params, data } = error;
  const schema: JsonObject = error.parentSchema ?? {};
  const limit = String(params['limit']);
  switch (keyword) {
    case 'required':
      return `expected a key ${quote(params['missingProperty'])}`;
    case 'oneOf':
    case 'minProperties':
      return expectedOne(error);
    case 'maxProperties':
      return limit === '1' ? expectedOne(error) : `expected at most ${limit} entries`;
    case 'type':
      return expectedType(schema['type'], data);
    case 'enum':
      return expectedWord(schema['enum'], data);
    case 'const':
      return `expected ${String(params['allowedValue'])}, or no such key`;
    case 'pattern':
      return expectedPattern(schema, data);
    case 'minLength':
      return 'expected text, got an empty string';
    case 'maxLength':
      return `expected at most ${limit} characters`;
    case 'minItems':
      return 'expected at least one entry, got an empty list';
    case 'maxItems':
      return `expected at most ${limit} entries`;
    case 'minimum':
    case 'maximum': {
      const { minimum, maximum } = schema;
      const range = typeof maximum === 'number' ? ` to ${maximum}` : ' or more';
      return `expected a number from ${Number(minimum)}${range}, got ${String(data)}`;
    }
    default:
      return error.message ?? 'not as the schema wants it';
  }
}

/** Whether the error is about which one of several keys is there. */
function isChoice({ keyword, params }: ErrorObject): boolean {
  return (
    keyword === 'oneOf' ||
    keyword === 'minProperties' ||
    (keyword === 'maxProperties' && params['limit'] === 1)
  );
}

function expectedOne({ parentSchema, data }: ErrorObject): string {
  const schema: JsonObject = parentSchema ?? {};
  const branches: unknown = schema['oneOf'];
  const choices = Array.isArray(branches)
    ? branches.map(choiceOf).filter(({ keys }) => keys.length > 0)
    : knownKeys(schema).map((key) => ({ words: key, keys: [key] }));
  const present = isJsonObject(data) ? Object.keys(data) : [];
  const keys = choices.flatMap((choice) => choice.keys);
  const got = [...new Set(keys)].filter((key) => present.includes(key));
  const expected = choices.map(({ words }) => words).join(', ');
  const all = choices.length === 1 ? 'expected' : 'expected exactly one of';
  return `${all} ${expected}; got ${got.length === 0 ? 'none' : got.join(' and ')}`;
}

/** One alternative of a oneOf: its title, or the keys that it wants. A word instead of a mapping wants none. */
function choiceOf(branch: unknown): { readonly words: string; readonly keys: readonly string[] } {
  const schema = isJsonObject(branch) ? branch : {};
  const more: readonly unknown[] = Array.isArray(schema['anyOf']) ? schema['anyOf'] : [];
  const keys = [schema, ...more].flatMap((part) =>
    strings(isJsonObject(part) ? part['required'] : []),
  );
  const title = schema['title'];
  return { words: typeof title === 'string' ? title : keys.join(' with '), keys };
}

function expectedType(type: unknown, data: unknown): string {
  const wanted = Array.isArray(type) ? strings(type) : [String(type)];
  const expected = wanted.map((name) => TYPES[name] ?? name).join(' or ');
  const got = data === null ? 'null' : Array.isArray(data) ? 'array' : typeof data;
  let hint = '';
  if (wanted.includes('string') && (got === 'number' || got === 'boolean')) {
    hint = ' (put it in quotes)';
  } else if (wanted.includes('object') && got === 'null') {
    hint = ' ({} stands for the defaults)';
  }
  return `expected ${expected}, got ${TYPES[got] ?? got}${hint}`;
}

function expectedWord(words: unknown, data: unknown): string {
  const known = strings(words);
  const hint = typeof data === 'string' ? suggest(data, known) : '';
  return `expected one of ${known.join(', ')}, got ${quote(data)}${hint}`;
}

function expectedPattern(schema: JsonObject, data: unknown): string {
  const { expected, secret } = PATTERNS[String(schema['title'])] ?? { expected: 'another form' };
  return secret === true ? `expected ${expected}` : `expected ${expected}, got ${quote(data)}`;
}

function suggestionFor(error: ErrorObject): string {
  return suggest(String(error.params['additionalProperty']), knownKeys(error.parentSchema ?? {}));
}

function knownKeys(schema: JsonObject): readonly string[] {
  const properties = schema['properties'];
  return isJsonObject(properties) ? Object.keys(properties) : [];
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function quote(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 160));
}

/** A JSON pointer (RFC 6901) as keys and indices. */
function pathOf(pointer: string, root: unknown): NodePath {
  let here = root;
  return pointer
    .split('/')
    .slice(1)
    .map((token) => {
      const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(here)) {
        const index = Number(key);
        here = here[index];
        return index;
      }
      here = isJsonObject(here) ? here[key] : undefined;
      return key;
    });
}
