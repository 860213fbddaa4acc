/** Three-valued evaluation: satisfied only by evidence, failed only when nothing could help any more. */
import fc from 'fast-check';
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { proveEvidence, type Evidence } from '../../src/policy/evidence.ts';
import type { NotationFacts } from '../../src/policy/notation-facts.ts';
import { parseRequirement, type RequirementSpec } from '../../src/policy/requirement.ts';

const digest = digestOf(Buffer.from('image'));

function signedBy(trustRoot: string): Evidence {
  const signer = {
    kind: 'key',
    trustRoot,
    fingerprint: digestOf(Buffer.from(trustRoot)),
    label: `${trustRoot}.pub`,
  } as const;
  return proveEvidence({
    scheme: 'sigstore-bundle',
    signer,
    digest,
    foundIn: digest,
    references: [],
    logs: [],
    certificateLogs: [],
    times: [],
  });
}

const OK = { ok: true } as const;

/** Everything holds but what is said of revocation. */
function signedByNotation(
  revocation: NotationFacts['revocation'],
  who: Partial<NotationFacts> = {},
): Evidence {
  const facts: NotationFacts = {
    envelope: 'jws',
    scheme: 'notary.x509',
    subject: [],
    subjectText: 'O=Vendor',
    fingerprint: digest,
    keyFingerprint: digest,
    signingTime: 0,
    annotations: new Map(),
    authenticity: OK,
    timestamp: { always: OK, afterCertExpiry: OK },
    expiry: OK,
    revocation,
    ...who,
  };
  return proveEvidence({
    scheme: 'notation',
    signer: { kind: 'notation', trustRoot: 'vendor', fingerprint: digest, facts },
    digest,
    foundIn: digest,
    references: [],
    logs: [],
    certificateLogs: [],
    times: [],
  });
}

const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });
const [a, b, c] = [key('a'), key('b'), key('c')];

function outcome(spec: RequirementSpec, signers: string, complete: boolean): string {
  const evidence = Array.from(signers, signedBy);
  return evaluate(parseRequirement(spec), evidence, { complete, now: 0 }).outcome;
}

t.test('decides as the table says', (t) => {
  const table: readonly (readonly [RequirementSpec, string, string, string])[] = [
    // requirement, who signed, when everything was looked at, when something was not
    [a, '', 'failed', 'undetermined'],
    [a, 'b', 'failed', 'undetermined'],
    [a, 'a', 'satisfied', 'satisfied'],
    [a, 'ab', 'satisfied', 'satisfied'],
    [{ allOf: [a, b] }, '', 'failed', 'undetermined'],
    [{ allOf: [a, b] }, 'a', 'failed', 'undetermined'],
    [{ allOf: [a, b] }, 'aa', 'failed', 'undetermined'],
    [{ allOf: [a, b] }, 'ab', 'satisfied', 'satisfied'],
    [{ anyOf: [a, b] }, '', 'failed', 'undetermined'],
    [{ anyOf: [a, b] }, 'b', 'satisfied', 'satisfied'],
    [{ anyOf: [a, b] }, 'c', 'failed', 'undetermined'],
    [{ atLeast: { count: 2, of: [a, b, c] } }, 'a', 'failed', 'undetermined'],
    [{ atLeast: { count: 2, of: [a, b, c] } }, 'aaa', 'failed', 'undetermined'],
    [{ atLeast: { count: 2, of: [a, b, c] } }, 'ac', 'satisfied', 'satisfied'],
    [{ atLeast: { count: 3, of: [a, b, c] } }, 'ab', 'failed', 'undetermined'],
    [{ allOf: [{ anyOf: [a, b] }, c] }, 'ab', 'failed', 'undetermined'],
    [{ allOf: [{ anyOf: [a, b] }, c] }, 'bc', 'satisfied', 'satisfied'],
    [{ anyOf: [{ allOf: [a, b] }, c] }, 'a', 'failed', 'undetermined'],
    [{ anyOf: [{ allOf: [a, b] }, c] }, 'ab', 'satisfied', 'satisfied'],
    [
      { atLeast: { count: 2, of: [{ anyOf: [a, b] }, { allOf: [b, c] }] } },
      'ab',
      'failed',
      'undetermined',
    ],
    [
      { atLeast: { count: 2, of: [{ anyOf: [a, b] }, { allOf: [b, c] }] } },
      'bc',
      'satisfied',
      'satisfied',
    ],
  ];
  for (const [spec, signers, complete, incomplete] of table) {
    const what = `${JSON.stringify(spec)} signed by ${signers}`;
    t.equal(outcome(spec, signers, true), complete, what);
    t.equal(outcome(spec, signers, false), incomplete, what);
  }
  t.end();
});

t.test('says of every node what became of it, and of every leaf who signed', (t) => {
  const requirement = parseRequirement({ allOf: [{ anyOf: [a, b] }, c] });
  const fingerprint = digestOf(Buffer.from('b')).slice(0, 19);
  t.same(evaluate(requirement, [signedBy('b')], { complete: true, now: 0 }), {
    requirement: 'all of (any of (key a, key b), key c)',
    outcome: 'failed',
    by: [],
    of: [
      {
        requirement: 'any of (key a, key b)',
        outcome: 'satisfied',
        by: [],
        of: [
          {
            requirement: 'key a',
            outcome: 'failed',
            by: [],
            of: [],
            because: `signed by someone else: found key b.pub of b (${fingerprint}…), expected key a`,
          },
          {
            requirement: 'key b',
            outcome: 'satisfied',
            by: [`key b.pub of b (${fingerprint}…)`],
            of: [],
          },
        ],
      },
      {
        requirement: 'key c',
        outcome: 'failed',
        by: [],
        of: [],
        because: `signed by someone else: found key b.pub of b (${fingerprint}…), expected key c`,
      },
    ],
  });
  t.end();
});

const specs = fc.letrec<{ tree: RequirementSpec }>((tie) => {
  const list = fc.array(tie('tree'), { minLength: 1, maxLength: 3 });
  return {
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('a', 'b', 'c', 'd').map(key),
      list.map((allOf) => ({ allOf })),
      list.map((anyOf) => ({ anyOf })),
      list.chain((of) =>
        fc.integer({ min: 1, max: of.length }).map((count) => ({ atLeast: { count, of } })),
      ),
    ),
  };
}).tree;

t.test('what waits for somebody out of reach is open as long as it matters', (t) => {
  const waiting = signedByNotation({ ok: false, reason: 'no answer', unreachable: true });
  const revoked = signedByNotation({ ok: false, reason: 'revoked' });
  const vendor: RequirementSpec = { notation: { trustRoot: 'vendor', identities: ['*'] } };
  const table: readonly (readonly [RequirementSpec, readonly Evidence[], string])[] = [
    [vendor, [waiting], 'undetermined'],
    [vendor, [revoked], 'failed'],
    [vendor, [revoked, waiting], 'undetermined'],
    [{ anyOf: [vendor, a] }, [waiting], 'undetermined'],
    [{ anyOf: [vendor, a] }, [waiting, signedBy('a')], 'satisfied'],
    [{ allOf: [vendor, a] }, [waiting], 'failed'],
    [{ allOf: [vendor, a] }, [waiting, signedBy('a')], 'undetermined'],
    [{ atLeast: { count: 2, of: [vendor, a, b] } }, [waiting], 'failed'],
    [{ atLeast: { count: 2, of: [vendor, a, b] } }, [waiting, signedBy('b')], 'undetermined'],
    [{ allOf: [{ anyOf: [vendor, a] }, b] }, [waiting, signedBy('b')], 'undetermined'],
  ];
  for (const [spec, evidence, expected] of table) {
    const { outcome } = evaluate(parseRequirement(spec), evidence, { complete: true, now: 0 });
    t.equal(outcome, expected, JSON.stringify(spec));
  }
  t.end();
});

t.test('one key is one signer, whatever certificates and lists have it', (t) => {
  const named = (name: string) => ({ subject: [[{ type: 'CN', value: name }]] });
  const keyed = (key: string) => ({ keyFingerprint: digestOf(Buffer.from(key)) });
  const by = (name: string, key: string) => signedByNotation(OK, { ...named(name), ...keyed(key) });
  const unknown = { authenticity: { ok: false, reason: 'nobody knows it' } } as const;
  const strange = (name: string) =>
    signedByNotation(OK, { ...named(name), ...keyed('stranger'), ...unknown });
  const vendor: RequirementSpec = { notation: { trustRoot: 'vendor', identities: ['*'] } };
  const two = (...of: readonly RequirementSpec[]): RequirementSpec => ({
    atLeast: { count: 2, of },
  });
  const table: readonly (readonly [RequirementSpec, readonly Evidence[], string])[] = [
    [two(vendor, vendor), [by('one', 'k'), by('two', 'l')], 'satisfied'],
    [two(vendor, vendor), [by('one', 'k'), by('two', 'k')], 'failed'],
    [two(vendor, vendor), [by('one', 'k'), by('one', 'l')], 'failed'],
    [two(vendor, vendor), [by('one', 'k'), by('two', 'l'), by('two', 'k')], 'failed'],
    [
      two(vendor, vendor),
      [by('one', 'k'), by('two', 'l'), strange('one'), strange('two')],
      'satisfied',
    ],
    [two(vendor, a), [by('one', 'a'), signedBy('a')], 'failed'],
    [two(vendor, a), [by('one', 'b'), signedBy('a')], 'satisfied'],
  ];
  for (const [spec, evidence, expected] of table) {
    const { outcome } = evaluate(parseRequirement(spec), evidence, { complete: true, now: 0 });
    t.equal(outcome, expected);
  }
  t.end();
});

t.test('nothing is satisfied without evidence, and more evidence never takes it back', (t) => {
  const signers = fc.subarray(['a', 'b', 'c', 'd']).map((names) => names.join(''));
  fc.assert(
    fc.property(specs, signers, signers, fc.boolean(), (spec, some, more, complete) => {
      t.not(outcome(spec, '', complete), 'satisfied');
      if (outcome(spec, some, complete) === 'satisfied') {
        t.equal(outcome(spec, some + more, complete), 'satisfied');
      }
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('an incomplete look changes "failed" to "undetermined" and nothing else', (t) => {
  const signers = fc.subarray(['a', 'b', 'c', 'd']).map((names) => names.join(''));
  fc.assert(
    fc.property(specs, signers, (spec, some) => {
      const complete = outcome(spec, some, true);
      t.not(complete, 'undetermined');
      t.equal(outcome(spec, some, false), complete === 'failed' ? 'undetermined' : complete);
    }),
    { numRuns: 300 },
  );
  t.end();
});
