/** Identities: the right issuer and the right subject of the same identity, whole and in their case. */
import t from 'tap';
import type { CertificateSigner } from '../../src/policy/evidence.ts';
import {
  describeIdentity,
  matchesIdentity,
  parseIdentity,
  type IdentitySpec,
} from '../../src/policy/identity.ts';
import { certificateSigner, ISSUER, SUBJECT } from './made-evidence.ts';

const uri = (value: string) => ({ type: 'uri', value }) as const;
const signedAs = (...subjects: string[]): Partial<CertificateSigner> => ({
  subjects: subjects.map(uri),
});
const matches = (spec: IdentitySpec, changes: Partial<CertificateSigner> = {}): boolean =>
  matchesIdentity(parseIdentity(spec), certificateSigner(changes));

const EXACT = { issuer: ISSUER, subject: SUBJECT };
const like = (subjectPattern: string): IdentitySpec => ({ issuer: ISSUER, subjectPattern });

t.test('an exact identity is that text and no other', (t) => {
  t.ok(matches(EXACT));
  for (const other of [
    `${SUBJECT}x`,
    `x${SUBJECT}`,
    SUBJECT.slice(1),
    SUBJECT.toUpperCase(),
    SUBJECT.replace('/acme/', '/acme-evil/'),
    `${SUBJECT}\n`,
    '',
  ]) {
    t.notOk(matches(EXACT, signedAs(other)), JSON.stringify(other));
  }
  t.notOk(matches(EXACT, { issuer: `${ISSUER}/` }));
  t.notOk(matches(EXACT, { issuer: `${ISSUER}.evil.example` }));
  t.notOk(matches(EXACT, { issuer: ISSUER.toUpperCase() }));
  t.notOk(matches(EXACT, { issuer: undefined }), 'a certificate without an issuer');
  t.notOk(matches(EXACT, { subjects: [] }), 'a certificate without a subject');
  t.notOk(
    matches({ issuer: ISSUER, subject: 'https://github.com/acme' }),
    'a text is no prefix, though it may look like one',
  );
  t.notOk(matches({ issuer: ISSUER, subject: '.*' }), 'and no pattern');
  t.end();
});

t.test('a pattern must be of the whole text', (t) => {
  t.ok(matches(like('https://github\\.com/acme/.+')));
  t.ok(matches(like('^https://github\\.com/acme/.+$')), "as cosign's are written");
  t.notOk(matches(like('https://github\\.com/acme')), 'not of a part of it');
  t.notOk(matches(like('acme/.*')));
  t.notOk(
    matches(like('https://github\\.com/acme/.+'), signedAs('https://github.com/acme-evil/x')),
  );
  t.notOk(
    matches(like('https://github\\.com/acme/.+'), signedAs('https://x/?https://github.com/acme/y')),
  );
  t.notOk(matches(like('a|b'), signedAs('ac')), 'alternatives are whole texts too');
  t.notOk(matches(like('^a|b$'), signedAs('ab')), 'whatever anchors are written');
  t.ok(matches(like('a|ab'), signedAs('ab')), 'the shorter alternative does not hide the longer');
  t.notOk(matches(like('(?m)^a$'), signedAs('a\nb')), 'a line is no text');
  t.notOk(matches(like('a'), signedAs('a\n')));
  t.notOk(matches({ issuerPattern: 'https://.*', subject: SUBJECT }, { issuer: undefined }));
  t.ok(matches({ issuerPattern: 'https://[a-z.]+', subject: SUBJECT }));
  t.end();
});

t.test('one of several subjects may match, of any type', (t) => {
  t.ok(matches(EXACT, signedAs('https://example.com', SUBJECT)));
  t.ok(
    matches(
      { issuer: ISSUER, subject: 'a@b.example' },
      { subjects: [uri(SUBJECT), { type: 'email', value: 'a@b.example' }] },
    ),
  );
  t.end();
});

t.test('issuer of one identity and subject of another are nobody', (t) => {
  const identities = [
    { issuer: 'https://one', subject: 'a' },
    { issuer: 'https://two', subject: 'b' },
  ].map(parseIdentity);
  const mixed = certificateSigner({ issuer: 'https://one', ...signedAs('b') });
  t.notOk(identities.some((identity) => matchesIdentity(identity, mixed)));
  t.end();
});

t.test('every extension that is asked for must be there and match', (t) => {
  const asked = (extensions: IdentitySpec['extensions']) => ({ ...EXACT, extensions });
  const found = {
    extensions: { sourceRepositoryURI: 'https://github.com/acme/app', buildTrigger: 'push' },
  };
  t.ok(matches(asked({ sourceRepositoryURI: 'https://github.com/acme/app' }), found));
  t.ok(matches(asked({ sourceRepositoryURI: { pattern: '.*/acme/[a-z]+' } }), found));
  t.ok(matches(asked({ buildTrigger: 'push', sourceRepositoryURI: { pattern: '.+' } }), found));
  t.notOk(matches(asked({ sourceRepositoryURI: 'https://github.com/acme' }), found));
  t.notOk(matches(asked({ sourceRepositoryURI: { pattern: 'acme' } }), found), 'whole text');
  t.notOk(matches(asked({ buildTrigger: 'push', runnerEnvironment: 'self-hosted' }), found));
  t.notOk(
    matches(asked({ runnerEnvironment: { pattern: '.*' } }), found),
    'absent matches nothing',
  );
  t.end();
});

t.test('refuses an identity that is none', (t) => {
  const wrong: readonly (readonly [IdentitySpec, RegExp])[] = [
    [{ issuer: ISSUER }, /exactly one of subject and subjectPattern/],
    [{ subject: SUBJECT }, /exactly one of issuer and issuerPattern/],
    [{ ...EXACT, issuerPattern: 'x' }, /exactly one of issuer/],
    [{ ...EXACT, subjectPattern: 'x' }, /exactly one of subject/],
    [{ issuer: '', subject: SUBJECT }, /issuer to name somebody/],
    [{ issuer: ISSUER, subject: '' }, /subject to name somebody/],
    [like(''), /subjectPattern: expected a pattern of 1 to/],
    [like('('), /subjectPattern: expected an RE2 expression/],
    [like('(a)\\1'), /RE2/],
    [like('(?=a)a'), /RE2/],
    [like('(?<!a)b'), /RE2/],
    [like('a'.repeat(1025)), /1 to 1024 characters/],
    [like('.{0,1000}x.{0,1000}'), /at most 1000 instructions/],
    [like('((a{0,100}){0,100}){0,100}'), /RE2/],
    [
      { ...EXACT, extensions: { buildTriger: 'push' } },
      /"buildTriger", did you mean buildTrigger\?/,
    ],
    [{ ...EXACT, extensions: { nonsense: 'push' } }, /unknown certificate extension "nonsense"$/],
    [{ ...EXACT, extensions: { buildTrigger: '' } }, /buildTrigger to name/],
    [{ ...EXACT, extensions: { constructor: 'x' } }, /unknown certificate extension/],
  ];
  for (const [spec, message] of wrong) {
    t.throws(
      () => parseIdentity(spec),
      { name: 'SyntaxError', message },
      JSON.stringify(spec).slice(0, 80),
    );
  }
  t.end();
});

t.test('refuses an identity that accepts anybody', (t) => {
  const anybody: readonly IdentitySpec[] = [
    { issuerPattern: '.*', subjectPattern: '.*' },
    { issuerPattern: '.+', subjectPattern: '^.*$' },
    { issuerPattern: '(?s).*', subjectPattern: '[^ ]*' },
    { issuerPattern: 'https://.*', subjectPattern: 'https://.*' },
    { issuerPattern: '.*', subjectPattern: '.*@.*' },
    {
      issuerPattern: '.*',
      subjectPattern: '.*',
      extensions: { sourceRepositoryURI: { pattern: '.*' } },
    },
    // A public issuer certifies everybody.
    { issuer: ISSUER, subjectPattern: '.*' },
    { issuer: ISSUER, subjectPattern: 'https://github\\.com/.*' },
    {
      issuer: ISSUER,
      subjectPattern: '.*',
      extensions: { runnerEnvironment: 'github-hosted', buildTrigger: 'push' },
    },
    { issuer: 'https://accounts.google.com', subjectPattern: '.+' },
    { issuerPattern: 'https://.*', subjectPattern: 'https://github\\.com/.*' },
  ];
  for (const spec of anybody) {
    t.throws(() => parseIdentity(spec), { message: /accepts anybody/ }, JSON.stringify(spec));
  }
  const somebody: readonly IdentitySpec[] = [
    { issuer: 'https://login.acme.example', subjectPattern: '.*' },
    { issuer: ISSUER, subjectPattern: 'https://github\\.com/acme/.*' },
    {
      issuer: ISSUER,
      subjectPattern: '.*',
      extensions: { sourceRepositoryOwnerURI: 'https://github.com/acme' },
    },
    { issuerPattern: '.*', subject: SUBJECT },
    { issuerPattern: '.*', subjectPattern: '.*@acme\\.example' },
    {
      issuerPattern: '.*',
      subjectPattern: '.*',
      extensions: { sourceRepositoryOwnerIdentifier: '42' },
    },
  ];
  for (const spec of somebody) t.doesNotThrow(() => parseIdentity(spec), JSON.stringify(spec));
  t.end();
});

t.test('a subject made for backtracking costs no more than its length', (t) => {
  for (const pattern of ['(a+)+$', '(a|a)*b', '(a|aa|aaa|a*)*c', '(.*a){20}', '([a-z]+)*\\.x']) {
    const started = process.cpuUsage();
    t.notOk(matches(like(pattern), signedAs(`${'a'.repeat(4000)}!`)), pattern);
    const { user } = process.cpuUsage(started);
    t.ok(user < 2_000_000, `${pattern} took ${user} µs`);
  }
  t.notOk(matches(like('a*'), signedAs('a'.repeat(4097))), 'and a longer one is not looked at');
  t.end();
});

t.test('is described as people would say it', (t) => {
  t.equal(describeIdentity(parseIdentity(EXACT)), `${SUBJECT} (issuer ${ISSUER})`);
  t.equal(
    describeIdentity(
      parseIdentity({
        ...like('a.*'),
        extensions: { buildTrigger: 'push', runnerEnvironment: { pattern: 'x+' } },
      }),
    ),
    `/a.*/ (issuer ${ISSUER}, buildTrigger push, runnerEnvironment /x+/)`,
  );
  t.end();
});
