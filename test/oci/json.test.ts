/** JSON from strangers: what has one reading is read, everything else is refused. */
import fc from 'fast-check';
import t from 'tap';
import {
  foldMemberName,
  isJsonObject,
  parseJson,
  parseJsonText,
  refuseLookalikeMembers,
} from '../../src/oci/json.ts';

const bytes = (text: string) => Buffer.from(text);

t.test('reads what JSON.parse reads', (t) => {
  const texts = [
    'null',
    '7',
    '"x"',
    '[]',
    '{}',
    ' { "a" : [ { "a" : 1 } , { "a" : 2 } ] , "b" : { "a" : "b" } } ',
    '{"a":"{\\"a\\":1,\\"a\\":2}","b":"\\\\","c":"]}"}',
    '{"__proto__":1,"constructor":2,"toString":3}',
    '[["a","a"],{"x":["a","a"]}]',
    '{"a":"a","b":"a"}',
  ];
  for (const text of texts) {
    t.same(JSON.stringify(parseJson(bytes(text))), JSON.stringify(JSON.parse(text)), text);
  }
  t.end();
});

t.test('refuses a member named twice, at every level and in every spelling', (t) => {
  const texts = [
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":{},"b":[],"a":0}',
    '{"x":{"a":1,"a":2}}',
    '[[[{"a":1,"a":2}]]]',
    '{"x":[{"y":{"a":"a","b":{"a":1},"a":2}}]}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"a\\/b":1,"a/b":2}',
    '{"\\n":1,"\\u000A":2}',
    '{"":1,"":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"\\\\":1,"\\u005c":2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{ "a" :\n1 ,\t"a"\r: 2 }',
    '{"__proto__":1,"__proto__":2}',
    '{"b":"}","a":1,"c":"\\"{","a":2}',
  ];
  for (const text of texts) {
    t.throws(
      () => parseJson(bytes(text)),
      { name: 'SyntaxError', message: /^duplicate member/ },
      text,
    );
  }
  t.end();
});

t.test('a long duplicate is not quoted whole', (t) => {
  const name = 'x'.repeat(5000);
  t.throws(() => parseJson(bytes(`{"${name}":1,"${name}":2}`)), { message: /^.{1,120}$/ });
  t.end();
});

t.test('refuses what is no JSON in UTF-8', (t) => {
  const wrong: readonly Uint8Array[] = [
    bytes(''),
    bytes('{'),
    bytes('{"a":1,}'),
    bytes("{'a':1}"),
    bytes('{"a":01}'),
    bytes('{"a":NaN}'),
    bytes('{"a":1} x'),
    bytes('{"a":1}{"a":1}'),
    bytes('{"a\\x":1}'),
    bytes('{"a'),
    bytes('{"a\\'),
    bytes('}{'),
    bytes(']]]]'),
    bytes('// comment\n{}'),
    bytes('\ufeff{}'),
    bytes('{}\u0000'),
    Buffer.from('{}', 'utf16le'),
    Buffer.concat([bytes('{"a":"'), Buffer.from([0xff]), bytes('"}')]),
    Buffer.concat([bytes('{"a":"'), Buffer.from([0xc0, 0xaf]), bytes('"}')]),
    Buffer.concat([bytes('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), bytes('"}')]),
    Buffer.concat([bytes('{"a":"'), Buffer.from([0xe2, 0x82])]),
  ];
  for (const one of wrong) t.throws(() => parseJson(one), SyntaxError, String(one));
  t.throws(() => parseJsonText('{"password":"secret"'), { message: 'expected JSON' });
  t.end();
});

t.test('nests 64 deep and no deeper', (t) => {
  const nested = (depth: number) => bytes(`${'['.repeat(depth)}${']'.repeat(depth)}`);
  const objects = (depth: number) => bytes(`${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`);
  t.doesNotThrow(() => parseJson(nested(64)));
  t.doesNotThrow(() => parseJson(objects(64)));
  t.throws(() => parseJson(nested(65)), { message: /deeper/ });
  t.throws(() => parseJson(objects(65)), { message: /deeper/ });
  t.throws(() => parseJson(nested(1_000_000)), SyntaxError);
  t.throws(() => parseJson(bytes('['.repeat(4_000_000))), SyntaxError);
  t.end();
});

t.test('reads 4096 members of an object and no more', (t) => {
  const members = (count: number) =>
    bytes(`{${Array.from({ length: count }, (_, index) => `"${index}":0`).join(',')}}`);
  t.doesNotThrow(() => parseJson(members(4096)));
  t.throws(() => parseJson(members(4097)), { message: /more than 4096 members/ });
  const many = members(400_000);
  const started = performance.now();
  t.throws(() => parseJson(many), SyntaxError);
  t.ok(performance.now() - started < 5000, 'refused before it is parsed');
  t.end();
});

t.test('whatever JSON.parse reads is read as the same value', (t) => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(undefined, 1, '\t'), (json, indent) => {
      const value: unknown = JSON.parse(json);
      const text = JSON.stringify(value, undefined, indent);
      t.same(JSON.stringify(parseJson(bytes(text))), JSON.stringify(value));
    }),
    { numRuns: 300 },
  );
  t.end();
});

/** Every way to write a name in JSON. */
function spelling(name: string, escaped: readonly boolean[]): string {
  const units = Array.from({ length: name.length }, (_, index) => name.charCodeAt(index));
  const written = units.map((unit, index) =>
    escaped[index % escaped.length] === true
      ? `\\u${unit.toString(16).padStart(4, '0')}`
      : JSON.stringify(String.fromCharCode(unit)).slice(1, -1),
  );
  return `"${written.join('')}"`;
}

t.test('a duplicate put anywhere is refused, however it is spelled', (t) => {
  const name = fc.string({ minLength: 1, maxLength: 8 });
  const value = fc.json({ maxDepth: 2 });
  const others = fc.dictionary(name, value, { maxKeys: 4 });
  const escaped = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(name, value, others, escaped, fc.nat(20), (twice, json, beside, how, depth) => {
      const members = Object.entries(beside)
        .filter(([one]) => one !== twice)
        .map(([one, text]) => `${JSON.stringify(one)}:${text}`);
      const object = (...ends: string[]) =>
        `{${[...ends.slice(0, 1), ...members, ...ends.slice(1)].join(',')}}`;
      const wrap = (text: string) => `${'[{"in":'.repeat(depth)}${text}${'}]'.repeat(depth)}`;
      const once = wrap(object(`${spelling(twice, how)}:${json}`));
      const again = wrap(
        object(`${spelling(twice, how)}:${json}`, `${spelling(twice, [false])}:${json}`),
      );
      parseJson(bytes(once));
      t.throws(() => parseJson(bytes(again)), { message: /^duplicate member/ });
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('any bytes are a value or a SyntaxError', (t) => {
  const alphabet = fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1', 'u0061', ' ');
  const text = fc.string({ unit: alphabet, maxLength: 40 }).map(bytes);
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), text), (input) => {
      try {
        parseJson(input);
      } catch (error) {
        return error instanceof SyntaxError;
      }
      return true;
    }),
    { numRuns: 5000 },
  );
  t.end();
});

t.test('refuses members that Go takes for a known one, and knows strangers from them', (t) => {
  const known = new Set(['layers', 'mediaType', 'blobs']);
  const wrong = [
    'Layers',
    'LAYERS',
    'layer\u017f',
    'LAYER\u017f',
    'mediatype',
    'MediaType',
    'blob\u017f',
  ];
  for (const name of wrong) {
    t.throws(
      () => {
        refuseLookalikeMembers({ [name]: 1 }, known);
      },
      { message: /ambiguous/ },
      name,
    );
    t.throws(
      () => {
        refuseLookalikeMembers({ layers: [], [name]: 1 }, known);
      },
      SyntaxError,
      name,
    );
  }
  t.throws(() => {
    refuseLookalikeMembers({ 'to\u212aen': 1 }, new Set(['token']));
  }, SyntaxError);
  t.doesNotThrow(() => {
    refuseLookalikeMembers({ layers: 1, mediaType: 2, layer: 3, 'layers ': 4, lаyers: 5 }, known);
  });
  t.end();
});

t.test('folds names as Go does', (t) => {
  t.equal(foldMemberName('D\u212aI\u017fT'), 'dkist');
  t.equal(foldMemberName('\u0130'), '\u0130'.toLowerCase());
  t.end();
});

t.test('tells objects from everything else', (t) => {
  t.ok(isJsonObject({}));
  for (const value of [null, [], 'x', 1, true, undefined]) t.notOk(isJsonObject(value));
  t.end();
});
