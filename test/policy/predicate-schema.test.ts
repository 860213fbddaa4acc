/** JSON Schemas of predicates: the two dialects, mistakes at load, linear patterns. */
import t from 'tap';
import type { JsonObject } from '../../src/oci/json.ts';
import { parsePredicateSchema } from '../../src/policy/predicate-schema.ts';

const check = (schema: JsonObject, predicate: unknown): string | undefined =>
  parsePredicateSchema(schema).check(predicate);

t.test('tells one mistake and its place', (t) => {
  const schema = {
    type: 'object',
    required: ['builder'],
    properties: {
      builder: { type: 'object', properties: { id: { const: 'https://a' } }, required: ['id'] },
      scans: { type: 'array', items: { enum: ['a', 'b'] } },
    },
  };
  t.equal(check(schema, { builder: { id: 'https://a' }, scans: ['a'] }), undefined);
  t.equal(
    check(schema, { builder: { id: 'x' } }),
    'schema: /predicate/builder/id must be equal to constant',
  );
  t.match(check(schema, {}), /^schema: \/predicate must have required property 'builder'$/);
  t.match(check(schema, 'text'), /^schema: \/predicate must be object$/);
  t.match(check(schema, undefined), /^schema: \/predicate must be object$/);
  t.match(
    check(schema, { builder: { id: 'https://a' }, scans: ['a', 'c', 'd'] }),
    /^schema: \/predicate\/scans\/1 must/,
  );
  t.equal(
    check({ required: ['constructor'] }, {}),
    "schema: /predicate must have required property 'constructor'",
  );
  t.end();
});

t.test('speaks 2020-12 and, where told, draft-07', (t) => {
  const [seven, twenty] = [
    'http://json-schema.org/draft-07/schema#',
    'https://json-schema.org/draft/2020-12/schema',
  ];
  const tuple = { prefixItems: [{ type: 'string' }] };
  t.match(check(tuple, [1]), /must be string/);
  t.match(check({ $schema: twenty, ...tuple }, [1]), /must be string/);
  t.throws(() => parsePredicateSchema({ $schema: seven, ...tuple }), /prefixItems/);
  t.match(check({ $schema: seven, items: [{ type: 'string' }] }, [1]), /must be string/);
  t.match(
    check({ $schema: seven, definitions: { a: { type: 'string' } }, $ref: '#/definitions/a' }, 1),
    /must be string/,
  );
  for (const $schema of [
    'http://json-schema.org/draft-04/schema#',
    'https://evil.example',
    7,
    null,
  ]) {
    t.throws(
      () => parsePredicateSchema({ $schema }),
      /expected \$schema to be 2020-12 or draft-07/,
    );
  }
  t.end();
});

t.test('refuses at load what would demand nothing or something elsewhere', (t) => {
  const wrong: readonly JsonObject[] = [
    { requird: ['a'] },
    { properties: { a: { typ: 'string' } } },
    { type: 'strng' },
    { required: 'a' },
    { $ref: 'https://example.com/schema.json' },
    { $ref: '#/definitions/absent' },
    { $async: true, type: 'object' },
    { pattern: '(' },
    { pattern: '(?=a)' },
    { patternProperties: { '(a)\\1': {} } },
    { pattern: '.{0,1000}.{0,1000}' },
  ];
  for (const schema of wrong) {
    t.throws(
      () => parsePredicateSchema(schema),
      { name: 'SyntaxError', message: /expected a JSON Schema/ },
      JSON.stringify(schema),
    );
  }
  t.end();
});

t.test('patterns are linear, each its own, and found anywhere in the text', (t) => {
  const schema = {
    properties: { a: { pattern: '^x+$' }, b: { pattern: 'y' } },
    patternProperties: { '^n-': { type: 'number' } },
  };
  t.equal(check(schema, { a: 'xx', b: 'aya', 'n-1': 1 }), undefined);
  t.match(check(schema, { a: 'xy' }), /\/predicate\/a must match pattern "\^x\+\$"/);
  t.match(check(schema, { b: 'x' }), /\/predicate\/b must match pattern "y"/);
  t.match(check(schema, { 'n-1': 'a' }), /\/predicate\/n-1 must be number/);
  const started = process.cpuUsage();
  t.match(check({ pattern: '^(a+)+$' }, `${'a'.repeat(100_000)}!`), /must match pattern/);
  t.ok(process.cpuUsage(started).user < 3_000_000);
  t.end();
});

t.test('equal items are found without comparing each with each', (t) => {
  const schema = { uniqueItems: true };
  t.equal(check(schema, [1, '1', { a: 1 }, { a: 2 }, [1], null]), undefined);
  t.match(
    check(schema, [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ]),
    /must not have equal items/,
  );
  t.equal(check({ uniqueItems: false }, [1, 1]), undefined);
  const started = process.cpuUsage();
  t.equal(
    check(
      schema,
      Array.from({ length: 30_000 }, (_, at) => ({ at, same: ['x'] })),
    ),
    undefined,
  );
  t.ok(process.cpuUsage(started).user < 3_000_000);
  t.end();
});

t.test('formats are annotations', (t) => {
  t.equal(check({ format: 'email', type: 'string' }, 'nobody'), undefined);
  t.end();
});
