/** Headers of envelopes in any shape, signed as they are: what is accepted keeps to the strict form in every part. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { checkNotation } from '../../../src/verify/notation/check-signature.ts';
import type { NotationFacts } from '../../../src/policy/notation-facts.ts';
import { readCbor, type Cbor } from '../../../src/verify/notation/cbor.ts';
import * as cbor from '../../helpers/notation/cbor.ts';
import { issueSigner, NOTATION_TIME, rootOfStores } from '../../helpers/notation/certificate.ts';
import {
  epochTime,
  PAYLOAD_TYPE,
  signCose,
  signJws,
  type SignOptions,
} from '../../helpers/notation/signed.ts';
import { target } from './target.ts';

const NAME = 'io.cncf.notary';
const SCHEME = `${NAME}.signingScheme`;
const SIGNED_AT = `${NAME}.signingTime`;
const AUTHENTIC = `${NAME}.authenticSigningTime`;
const EXPIRY = `${NAME}.expiry`;
const PLUGIN = `${NAME}.verificationPlugin`;
const LATER = NOTATION_TIME + 60_000;

const signer = issueSigner();
const root = rootOfStores({ ca: [signer], signingAuthority: [signer] });
const RUNS = { numRuns: 300 };

async function check(mediaType: string, bytes: Buffer): Promise<NotationFacts | undefined> {
  try {
    return await checkNotation({ mediaType, bytes }, target, root, { now: NOTATION_TIME });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/** The critical names that a header with these has to have, and no others. */
function criticalFor(scheme: unknown, hasExpiry: boolean): readonly string[] {
  const isAuthority = scheme === 'notary.x509.signingAuthority';
  return [SCHEME, ...(isAuthority ? [AUTHENTIC] : []), ...(hasExpiry ? [EXPIRY] : [])].sort();
}

/** Entries of an honest header, some of them left out, doubled, moved, or with another name or value. */
function headers<V>(
  honest: readonly (readonly [name: string | number, value: V])[],
  names: readonly (string | number)[],
  values: fc.Arbitrary<V>,
): fc.Arbitrary<readonly (readonly [name: string | number, value: V])[]> {
  const edit = fc.record({
    kind: fc.constantFrom('remove', 'double', 'rename', 'replace', 'add', 'move'),
    at: fc.nat(20),
    name: fc.constantFrom(...names),
    value: values,
  });
  return fc.array(edit, { maxLength: 3 }).map((edits) => {
    let entries = [...honest];
    for (const { kind, at: anywhere, name, value } of edits) {
      const at = anywhere % Math.max(1, entries.length);
      const [was] = entries.slice(at);
      if (kind === 'add' || was === undefined) entries.push([name, value]);
      else if (kind === 'remove') entries.splice(at, 1);
      else if (kind === 'double') entries.push(was);
      else if (kind === 'rename') entries[at] = [name, was[1]];
      else if (kind === 'replace') entries[at] = [was[0], value];
      else entries = [...entries.slice(at), ...entries.slice(0, at)];
    }
    return entries;
  });
}

const schemes = ['notary.x509', 'notary.x509.signingAuthority', 'notary.x509.other', 7, null];
const criticals = [[], [SCHEME], [SCHEME, EXPIRY], [SCHEME, AUTHENTIC], [SCHEME, SCHEME], [1]];
const names = [SCHEME, SIGNED_AT, AUTHENTIC, EXPIRY, PLUGIN, 'note', `${NAME}.Expiry`];

t.test('protected headers of JWS', async (t) => {
  const time = new Date(NOTATION_TIME).toISOString().replace('.000', '');
  const later = new Date(LATER).toISOString();
  const honest = [
    ['alg', 'ES256'],
    ['cty', PAYLOAD_TYPE],
    ['crit', [SCHEME]],
    [SCHEME, 'notary.x509'],
    [SIGNED_AT, time],
  ] as const;
  const values: fc.Arbitrary<unknown> = fc.oneof(
    fc.constantFrom<unknown>(...schemes, ...criticals, time, later, 'ES256', 'ES384', PAYLOAD_TYPE),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const other = ['alg', 'ALG', 'cty', 'crit', 'Crit', 'b64', '__proto__'];
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(headers<unknown>(honest, [...names, ...other], values), async (entries) => {
      const members = entries.map(
        ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
      );
      const signedText = `{${members.join()}}`;
      const facts = await check('application/jose+json', signJws(signer, target, { signedText }));
      if (facts === undefined) return;
      accepted += 1;
      const header = new Map(entries);
      const lower = entries.map(([name]) => String(name).toLowerCase());
      t.equal(new Set(lower).size, lower.length, 'every name once');
      t.strictSame([header.get('alg'), header.get('cty')], ['ES256', PAYLOAD_TYPE]);
      requireForm(t, facts, header, header.get(SCHEME), header.get('crit'));
      t.notOk(['b64', `${NAME}.Expiry`].some((name) => header.has(name)));
    }),
    RUNS,
  );
  t.ok(accepted > 10, `${accepted} of ${RUNS.numRuns} were accepted`);
});

/** What both envelopes have in common, told from the entries alone. */
function requireForm(
  t: Test,
  facts: NotationFacts,
  header: ReadonlyMap<string | number, unknown>,
  scheme: unknown,
  critical: unknown,
): void {
  const isAuthority = scheme === 'notary.x509.signingAuthority';
  t.ok(isAuthority || scheme === 'notary.x509');
  t.equal(facts.scheme, scheme);
  t.strictSame([...(critical as string[])].sort(), criticalFor(scheme, header.has(EXPIRY)));
  t.strictSame([header.has(SIGNED_AT), header.has(AUTHENTIC)], [!isAuthority, isAuthority]);
  t.notOk(header.has(PLUGIN));
}

function encode(value: Cbor): Buffer {
  switch (value.kind) {
    case 'integer':
      return cbor.integer(value.value);
    case 'bytes':
      return cbor.bytes(value.value);
    case 'text':
      return cbor.text(value.value);
    case 'array':
      return cbor.array(...value.items.map(encode));
    case 'map':
      return cbor.map(value.entries.map(([key, member]) => [encode(key), encode(member)]));
    case 'tag':
      return cbor.tag(Number(value.tag), encode(value.content));
    case 'float': {
      const bytes = Buffer.alloc(9, 0xfb);
      bytes.writeDoubleBE(value.value, 1);
      return bytes;
    }
    case 'simple':
      return cbor.head(7, value.value);
  }
}

/** As JSON would have it, for comparisons. */
function plain(bytes: Buffer | undefined): unknown {
  const value = bytes && readCbor(bytes);
  if (value?.kind === 'text') return value.value;
  if (value?.kind === 'array') return value.items.map((item) => plain(encode(item)));
  return value?.kind === 'integer' ? Number(value.value) : value;
}

t.test('protected headers of COSE', async (t) => {
  const honest = [
    [1, cbor.integer(-7)],
    [2, cbor.array(cbor.text(SCHEME))],
    [3, cbor.text(PAYLOAD_TYPE)],
    [SCHEME, cbor.text('notary.x509')],
    [SIGNED_AT, epochTime(NOTATION_TIME)],
  ] as const;
  const values = fc.oneof(
    fc.constantFrom(
      ...schemes.flatMap((scheme) => (typeof scheme === 'string' ? [cbor.text(scheme)] : [])),
      ...criticals.map((some) => cbor.array(...some.map((name) => cbor.label(name)))),
      epochTime(LATER),
      cbor.integer(NOTATION_TIME / 1000),
      cbor.tag(0, cbor.text('2026-05-01T12:00:00Z')),
      cbor.tag(1, cbor.text('2026-05-01T12:00:00Z')),
      cbor.integer(-35),
      cbor.text(PAYLOAD_TYPE),
      Buffer.from('bf01260203ff', 'hex'),
      Buffer.from('3806', 'hex'),
    ),
    fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
  );
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      headers<Buffer>(honest, [...names, 1, 2, 3, 5, 33], values),
      async (entries) => {
        const signedBytes = cbor.map(entries.map(([name, value]) => [cbor.label(name), value]));
        const bytes = signCose(signer, target, { signedBytes });
        const facts = await check('application/cose', bytes);
        if (facts === undefined) return;
        accepted += 1;
        t.strictSame(encode(readCbor(bytes)), bytes, 'one encoding');
        // Random bytes may hold more than one value, so the header is read anew.
        const read = readCbor(signedBytes);
        const members = read.kind === 'map' ? read.entries : [];
        const header = new Map(members.map(([key, value]) => [String(plain(encode(key))), value]));
        t.equal(header.size, members.length, 'every key once');
        const at = (name: string | number): unknown => {
          const value = header.get(String(name));
          return value && plain(encode(value));
        };
        t.strictSame([at(1), at(3)], [-7, PAYLOAD_TYPE]);
        requireForm(t, facts, header, at(SCHEME), at(2));
        for (const name of [SIGNED_AT, AUTHENTIC, EXPIRY]) {
          const value = header.get(name);
          t.ok(value === undefined || (value.kind === 'tag' && value.tag === 1n), name);
        }
      },
    ),
    RUNS,
  );
  t.ok(accepted > 10, `${accepted} of ${RUNS.numRuns} were accepted`);
});

t.test('payloads: any JSON is about the target or refused', async (t) => {
  const artifact = { mediaType: target.mediaType, digest: target.digest, size: target.size };
  const members = fc.record(
    {
      mediaType: fc.oneof(fc.constant(artifact.mediaType), fc.jsonValue({ maxDepth: 0 })),
      digest: fc.oneof(fc.constant(artifact.digest), fc.jsonValue({ maxDepth: 0 })),
      size: fc.oneof(fc.constant(artifact.size), fc.jsonValue({ maxDepth: 0 })),
      annotations: fc.oneof(fc.constant({ a: 'b' }), fc.jsonValue({ maxDepth: 1 })),
    },
    { requiredKeys: [] },
  );
  const payloads = fc.oneof(
    members.map((targetArtifact) => ({ targetArtifact })),
    fc.jsonValue({ maxDepth: 2 }),
  );
  await fc.assert(
    fc.asyncProperty(payloads, fc.boolean(), async (payload, asCose) => {
      const options: SignOptions = { payload: Buffer.from(JSON.stringify(payload)) };
      const facts = asCose
        ? await check('application/cose', signCose(signer, target, options))
        : await check('application/jose+json', signJws(signer, target, options));
      if (facts !== undefined) t.match(payload, { targetArtifact: artifact });
    }),
    RUNS,
  );
});
