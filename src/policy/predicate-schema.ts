/** JSON Schema of a predicate: compiled at load, patterns in linear time, one mistake told. */
import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonObject } from '../oci/json.ts';
import { parseTextPattern } from './text-pattern.ts';

/** A compiled schema. */
export interface PredicateSchema {
  /** `/predicate/builder/id must be …`, or undefined when the predicate is of the schema. */
  check(predicate: unknown): string | undefined;
}

const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

const OPTIONS: Options = {
  // A misspelt keyword would demand nothing; the other strictness is about style, and schemas come from elsewhere.
  strictSchema: true,
  strictNumbers: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  // One mistake is enough to refuse, and a predicate made of mistakes must not cost more than one of them.
  allErrors: false,
  // Some formats are slow expressions; 2020-12 §7.2.1 makes them annotations anyway.
  validateFormats: false,
  ownProperties: true,
  logger: false,
  code: { regExp: Object.assign(linearRegExp, { code: 'linearRegExp' }) },
};

/**
 * Compiles a schema for predicates: 2020-12, or draft-07 where `$schema` says so. References reach no further than the
 * schema itself, `pattern` is RE2, `format` is an annotation.
 * @throws {SyntaxError} when it is no such schema.
 */
export function parsePredicateSchema(schema: JsonObject): PredicateSchema {
  const validate = compile(schema);
  return {
    check(predicate) {
      try {
        if (validate(predicate)) return undefined;
      } catch {
        return 'schema: it cannot be applied to this predicate';
      }
      const [error] = validate.errors ?? [];
      const place = `/predicate${error?.instancePath ?? ''}`;
      return `schema: ${place.slice(0, 200)} ${error?.message?.slice(0, 200) ?? 'is wrong'}`;
    },
  };
}

function compile(schema: JsonObject): ValidateFunction {
  try {
    const ajv = ajvFor(schema['$schema']);
    ajv.removeKeyword('uniqueItems');
    ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      error: { message: 'must not have equal items' },
      validate: (wanted: boolean, items: readonly unknown[]) => !wanted || areUnique(items),
    });
    const validate = ajv.compile(schema);
    // An asynchronous validation answers with a promise, which is no answer here.
    if ('$async' in validate) throw new SyntaxError('$async schemas are not supported');
    return validate;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be compiled';
    throw new SyntaxError(`expected a JSON Schema: ${why}`, { cause: error });
  }
}

function ajvFor(dialect: unknown): Ajv | Ajv2020 {
  if (dialect === undefined) return new Ajv2020(OPTIONS);
  if (typeof dialect === 'string') {
    if (DRAFT_2020.test(dialect)) return new Ajv2020(OPTIONS);
    if (DRAFT_07.test(dialect)) return new Ajv(OPTIONS);
  }
  throw new SyntaxError(
    `expected $schema to be 2020-12 or draft-07, got ${JSON.stringify(dialect)}`,
  );
}

/** What ajv takes for a RegExp. It knows equal ones by their text, so `toString` must give that. */
function linearRegExp(text: string): { test(subject: string): boolean; toString(): string } {
  const pattern = parseTextPattern(text);
  return { test: (subject) => pattern.matchesPart(subject), toString: () => text };
}

/** Linear in the size of the list; comparing each with each would be a lever for whoever writes long lists. */
function areUnique(items: readonly unknown[]): boolean {
  return new Set(items.map(canonicalText)).size === items.length;
}

/** JSON with members in order, so that equal values are equal texts. */
function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
