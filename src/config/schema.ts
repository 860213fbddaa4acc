/** The published JSON Schema at work: ajv fills in defaults and says everything that is wrong. */
import { readFileSync } from 'node:fs';
import { Ajv, type AnySchema, type ErrorObject, type ValidateFunction } from 'ajv';
import { isJsonObject } from '../oci/json.ts';
import type { RawConfig } from './raw.ts';

/** `config/countersign.schema.json`; the same place seen from `src/config/` and from `dist/config/`. */
const SCHEMA = new URL('../../config/countersign.schema.json', import.meta.url);

export type SchemaResult =
  | { readonly ok: true; readonly raw: RawConfig }
  | { readonly ok: false; readonly errors: readonly ErrorObject[] };

let compiled: ValidateFunction<RawConfig> | undefined;

/** The keys of the top level. */
export function configSections(): readonly string[] {
  compiled ??= compile();
  const schema: unknown = compiled.schema;
  const sections = isJsonObject(schema) ? schema['properties'] : undefined;
  return isJsonObject(sections) ? Object.keys(sections) : [];
}

/** Validates plain data and writes the defaults into it. */
export function validateConfig(value: unknown): SchemaResult {
  compiled ??= compile();
  if (compiled(value)) return { ok: true, raw: value };
  return { ok: false, errors: compiled.errors ?? [] };
}

function compile(): ValidateFunction<RawConfig> {
  const schema: unknown = JSON.parse(readFileSync(SCHEMA, 'utf8'));
  if (!isSchema(schema)) throw new TypeError('expected the configuration schema to be an object');
  const ajv = new Ajv({
    strict: true,
    // The alternatives of a oneOf require properties that the schema around them defines.
    strictRequired: false,
    // `match` is a string or a list, a trust root a word or a mapping.
    allowUnionTypes: true,
    allErrors: true,
    useDefaults: true,
    coerceTypes: false,
    // Messages look at the schema that failed and at the value that was found.
    verbose: true,
  });
  return ajv.compile<RawConfig>(schema);
}

function isSchema(value: unknown): value is AnySchema {
  return typeof value === 'object' && value !== null;
}
