/** The binding of a statement to the image: subject, algorithm, predicate type, and one reading of each. */
import fc from 'fast-check';
import t from 'tap';
import { digestOf, digestHex } from '../../../src/oci/digest.ts';
import { MAX_ATTESTATION_CONTAINERS, MAX_SIGNED_PAYLOAD } from '../../../src/verify/bounds.ts';
import {
  COSIGN_SIGN_PREDICATE,
  contentDigests,
  parseStatementAbout,
} from '../../../src/verify/sigstore/statement-binding.ts';
import { digestOfText, statement } from '../../helpers/signer.ts';

const digest = digestOfText('image');
const sha256 = digestHex(digest);
const other = digestHex(digestOfText('another'));
const ABOUT = [{ digest: { sha256 } }];
const GOOD = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: ABOUT,
  predicateType: COSIGN_SIGN_PREDICATE,
  predicate: {},
};

function hold(value: unknown, of = digest): void {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
  parseStatementAbout(contentDigests(of), bytes);
}

t.test('holds for what cosign signs', (t) => {
  const right: readonly unknown[] = [
    statement(ABOUT),
    { ...GOOD, _type: 'https://in-toto.io/Statement/v0.1' },
    { ...GOOD, predicate: null },
    { ...GOOD, predicate: undefined },
    { ...GOOD, extra: 1 },
    { ...GOOD, subject: [{ name: 'app', digest: { sha256 }, annotations: {} }] },
    { ...GOOD, subject: [{ digest: { sha256: other } }, { digest: { sha256 } }] },
    { ...GOOD, subject: [{ digest: { sha1: 'x' } }, { digest: { sha256, sha512: 'x' } }] },
  ];
  for (const value of right)
    t.doesNotThrow(() => {
      hold(value);
    }, JSON.stringify(value));
  t.end();
});

t.test('compares under the algorithm of the image, and no other', (t) => {
  const long = digestOf(Buffer.from('image'), 'sha512');
  const sha512 = digestHex(long);
  const about = (digests: object) => ({ ...GOOD, subject: [{ digest: digests }] });
  t.doesNotThrow(() => {
    hold(about({ sha512 }), long);
  });
  t.doesNotThrow(() => {
    hold(about({ sha512, sha256: other }), long);
  });
  for (const digests of [{ sha256 }, { sha256: sha512 }, { sha512: sha256 }, { SHA512: sha512 }]) {
    t.throws(
      () => {
        hold(about(digests), long);
      },
      SyntaxError,
      JSON.stringify(digests),
    );
  }
  for (const digests of [
    { sha512 },
    { sha512: sha256 },
    { sha1: sha256 },
    { '': sha256 },
    { 'sha256:': sha256 },
  ]) {
    t.throws(
      () => {
        hold(about(digests));
      },
      SyntaxError,
      JSON.stringify(digests),
    );
  }
  t.end();
});

t.test('refuses a subject that is missing, null, of another image or of another shape', (t) => {
  const subjects: readonly unknown[] = [
    undefined,
    null,
    [],
    {},
    'x',
    { digest: { sha256 } },
    [null],
    [sha256],
    [[]],
    [{}],
    [{ digest: null }],
    [{ digest: sha256 }],
    [{ digest: [] }],
    [{ digest: { sha256: null } }],
    [{ digest: { sha256: [sha256] } }],
    [{ digest: { sha256: other } }],
    [{ digest: { sha256: sha256.toUpperCase() } }],
    [{ digest: { sha256: digest } }],
    [{ digest: { sha256: `${sha256} ` } }],
    [{ digest: { sha256: sha256.slice(1) } }],
    [{ digest: { sha256: '' } }],
    [{ digest: {} }],
    [{ name: digest }],
    // Malformed ones are refused wherever they stand.
    [...ABOUT, null],
    [...ABOUT, {}],
    [...ABOUT, { digest: { sha256: 7 } }],
    [null, ...ABOUT],
    // Another reader would see another digest.
    [{ digest: { sha256 }, Digest: { sha256: other } }],
    [{ Digest: { sha256 } }],
  ];
  for (const subject of subjects) {
    t.throws(
      () => {
        hold({ ...GOOD, subject });
      },
      SyntaxError,
      JSON.stringify(subject),
    );
  }
  t.end();
});

t.test('takes 1 to 1024 subjects', (t) => {
  const many = (count: number) => [
    ...Array.from({ length: count - 1 }, () => ({ digest: { sha256: other } })),
    ...ABOUT,
  ];
  t.doesNotThrow(() => {
    hold({ ...GOOD, subject: many(1024) });
  });
  t.throws(
    () => {
      hold({ ...GOOD, subject: many(1025) });
    },
    { message: /1 to 1024 subjects/ },
  );
  t.throws(
    () => {
      hold({ ...GOOD, subject: [] });
    },
    { message: /1 to 1024 subjects/ },
  );
  t.end();
});

t.test('tells the predicate type, the statement and the names of its subject', (t) => {
  const subject = [
    { name: 'mine', digest: { sha256 } },
    { name: 'other', digest: { sha256: other } },
    { name: '', digest: { sha256 } },
    { name: 7, digest: { sha256 } },
    { name: 'again', digest: { sha512: 'x', sha256 } },
  ];
  const json = { ...GOOD, subject, predicateType: 'https://slsa.dev/provenance/v1' };
  t.same(parseStatementAbout(contentDigests(digest), Buffer.from(JSON.stringify(json))), {
    predicateType: 'https://slsa.dev/provenance/v1',
    json,
    names: ['mine', 'again'],
  });
  t.end();
});

t.test('refuses a predicate type that is none', (t) => {
  for (const predicateType of [undefined, null, '', 7, [COSIGN_SIGN_PREDICATE], 'x'.repeat(1025)]) {
    t.throws(
      () => {
        hold({ ...GOOD, predicateType });
      },
      { name: 'SyntaxError', message: 'expected a predicate type' },
    );
  }
  t.end();
});

t.test('what is a signature is small, what is an attestation may be large', (t) => {
  const predicate = { text: 'x'.repeat(MAX_SIGNED_PAYLOAD) };
  t.throws(
    () => {
      hold({ ...GOOD, predicate });
    },
    { message: /at most 131072 bytes/ },
  );
  t.doesNotThrow(() => {
    hold({ ...GOOD, predicate, predicateType: 'https://spdx.dev/Document' });
  });
  const list = (length: number) => ({
    ...GOOD,
    predicateType: 'https://spdx.dev/Document',
    predicate: Array.from({ length }, () => []),
  });
  t.doesNotThrow(() => {
    hold(list(100_000));
  });
  t.throws(
    () => {
      hold(list(MAX_ATTESTATION_CONTAINERS));
    },
    { message: /objects and arrays/ },
  );
  t.end();
});

t.test('refuses every other document', (t) => {
  const text = JSON.stringify(GOOD);
  const wrong: readonly unknown[] = [
    null,
    [],
    [GOOD],
    'x',
    { ...GOOD, _type: undefined },
    { ...GOOD, _type: null },
    { ...GOOD, _type: ['https://in-toto.io/Statement/v1'] },
    { ...GOOD, _type: 'https://in-toto.io/Statement/v2' },
    { ...GOOD, _type: 'https://in-toto.io/Link/v1' },
    { ...GOOD, Subject: [{ digest: { sha256: other } }] },
    { ...GOOD, PredicateType: 'x' },
    { ...GOOD, '\u017fubject': [] },
    { ...GOOD, _TYPE: 'x' },
    Buffer.from(text.replace('{', `{"subject":[{"digest":{"sha256":"${other}"}}],`)),
    Buffer.from(text.replace('"sha256"', `"sha256":"${other}","sha256"`)),
    Buffer.from(`\ufeff${text}`),
    Buffer.from(`${text}${text}`),
    Buffer.from(text.slice(1)),
    Buffer.alloc(0),
  ];
  for (const value of wrong)
    t.throws(
      () => {
        hold(value);
      },
      SyntaxError,
      JSON.stringify(value),
    );
  t.end();
});

t.test('any bytes hold or are a SyntaxError', (t) => {
  const member = fc.constantFrom('_type', 'subject', 'predicateType', 'predicate', 'Subject');
  const subject = fc.oneof(
    fc.jsonValue(),
    fc.constant({ sha256 }),
    fc.constant({ digest: { sha256 } }),
  );
  const value = fc.oneof(
    fc.jsonValue(),
    fc.array(subject),
    fc.array(fc.record({ digest: subject })),
  );
  fc.assert(
    fc.property(fc.dictionary(member, value), fc.uint8Array(), fc.boolean(), (over, junk, json) => {
      try {
        hold(json ? { ...GOOD, ...over } : junk);
      } catch (error) {
        return error instanceof SyntaxError;
      }
      return json;
    }),
    { numRuns: 2000 },
  );
  t.end();
});
