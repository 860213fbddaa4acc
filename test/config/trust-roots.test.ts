/** Trust roots of Sigstore instances: every form, and what is said about mistakes. */
import { join } from 'node:path';
import t from 'tap';
import { loadText, problemsOf, rawProblemsOf } from '../helpers/config-file.ts';

const HOUR = 3_600_000;
const files = { 'root.json': '{}', 'a.pem': 'A', 'b.pem': 'B', 'log.pub': 'L' };
const only = (t: Parameters<typeof loadText>[0], root: string) =>
  loadText(t, `trustRoots: { it: ${root} }`, { files }).trustRoots[0];

t.test('an instance that is shipped with us, in short and at length', async (t) => {
  const short = only(t, '{ sigstore: public-good }');
  t.strictSame(short, {
    name: 'it',
    kind: 'sigstore',
    source: { kind: 'instance', instance: 'public-good' },
    refresh: 24 * HOUR,
    maxStaleness: undefined,
  });
  t.strictSame(only(t, '{ sigstore: { instance: public-good } }'), short);
  t.match(only(t, '{ sigstore: { instance: github, refresh: never } }'), {
    source: { instance: 'github' },
    refresh: undefined,
  });
  t.match(only(t, '{ sigstore: { instance: github, refresh: 6h, maxStaleness: 7d } }'), {
    refresh: 6 * HOUR,
    maxStaleness: 7 * 24 * HOUR,
  });
});

t.test('a file is read with the configuration and never refreshed', async (t) => {
  const config = loadText(t, 'trustRoots: { it: { sigstore: { trustedRootFile: root.json } } }', {
    files,
  });
  t.strictSame(config.trustRoots, [
    {
      name: 'it',
      kind: 'sigstore',
      source: { kind: 'file', file: { path: join(config.file, '../root.json'), text: '{}' } },
      refresh: undefined,
      maxStaleness: undefined,
    },
  ]);
});

t.test("the stores of a Notation root are the files' bytes", async (t) => {
  const root = only(t, '{ notation: { ca: [a.pem, b.pem], tsa: [log.pub] } }');
  const { ca, tsa } = root?.kind === 'notation' ? root : { ca: [], tsa: [] };
  t.strictSame(
    [ca, tsa].map((store) => store?.map(({ bytes }) => bytes.toString())),
    [['A', 'B'], ['L']],
  );
  t.match(root, { signingAuthority: undefined, revocationLists: [], privateHosts: [] });
  t.ok(Object.isFrozen(root) && Object.isFrozen(ca));
});

t.test('a TUF repository', async (t) => {
  t.match(
    only(t, '{ sigstore: { tuf: { mirror: "https://tuf.example/a/", rootFile: root.json } } }'),
    {
      source: {
        kind: 'tuf',
        mirror: 'https://tuf.example/a',
        root: { text: '{}' },
        target: 'trusted_root.json',
        insecureHttp: false,
      },
      refresh: 24 * HOUR,
    },
  );
  const plain =
    '{ sigstore: { tuf: { mirror: "http://tuf.example:8080", rootFile: root.json, target: r.json, insecureHttp: true }, refresh: never } }';
  t.match(only(t, plain), {
    source: { mirror: 'http://tuf.example:8080', target: 'r.json', insecureHttp: true },
    refresh: undefined,
  });
});

t.test('loose keys and certificates', async (t) => {
  const root = only(
    t,
    `{ sigstore: {
      certificateAuthorities: [ a.pem, b.pem ],
      transparencyLogs: [ { keyFile: log.pub, origin: rekor.example, validFrom: 2026-01-31, validUntil: "2026-02-01T12:00:00Z" } ],
      certificateLogs: [ { keyFile: log.pub } ],
      timestampAuthorities: [ b.pem ] } }`,
  );
  t.match(root, {
    source: {
      kind: 'parts',
      certificateAuthorities: [{ text: 'A' }, { text: 'B' }],
      transparencyLogs: [
        {
          file: { text: 'L' },
          origin: 'rekor.example',
          validFrom: Date.UTC(2026, 0, 31),
          validUntil: Date.UTC(2026, 1, 1, 12),
        },
      ],
      certificateLogs: [{ file: { text: 'L' }, validFrom: undefined, validUntil: undefined }],
      timestampAuthorities: [{ text: 'B' }],
    },
    refresh: undefined,
  });
  t.match(only(t, '{ sigstore: { timestampAuthorities: [ a.pem ] } }'), {
    source: { kind: 'parts', certificateAuthorities: [], transparencyLogs: [] },
  });
});

const ALTERNATIVES =
  'instance, trustedRootFile, tuf, loose PEM files (certificateAuthorities, transparencyLogs or timestampAuthorities)';
const tuf = (mirror: string, more = ''): string =>
  `{ tuf: { mirror: "${mirror}", rootFile: root.json${more} } }`;
const cases: readonly (readonly [root: string, place: string, message: string])[] = [
  ['public', '', 'expected public-good, github or a mapping, got "public"'],
  ['7', '', 'expected a string or a mapping, got a number (put it in quotes)'],
  ['{}', '', `expected exactly one of ${ALTERNATIVES}; got none`],
  [
    '{ certificateLogs: [ { keyFile: log.pub } ] }',
    '',
    `expected exactly one of ${ALTERNATIVES}; got none`,
  ],
  [
    '{ instance: github, trustedRootFile: root.json }',
    '',
    `expected exactly one of ${ALTERNATIVES}; got instance and trustedRootFile`,
  ],
  [
    '{ instance: githb }',
    '.instance',
    'expected one of public-good, github, got "githb", did you mean "github"?',
  ],
  [
    '{ trustedRootFile: root.json, refresh: 1h }',
    '.refresh',
    '"refresh" has no meaning beside trustedRootFile',
  ],
  [
    '{ timestampAuthorities: [ a.pem ], maxStaleness: 1h }',
    '.maxStaleness',
    '"maxStaleness" has no meaning beside PEM files',
  ],
  [
    '{ instance: github, certificateLogs: [ { keyFile: log.pub } ] }',
    '.certificateLogs',
    '"certificateLogs" has no meaning beside instance',
  ],
  [
    '{ instance: github, refresh: 0s }',
    '.refresh',
    'expected a duration such as 24h, or never, got "0s"',
  ],
  ['{ instance: github, refresh: 5s }', '.refresh', 'expected at least 1m, or never'],
  [
    '{ instance: github, maxStaleness: 1h }',
    '.maxStaleness',
    'expected at least as long as refresh, or nothing would be fresh',
  ],
  [
    '{ instance: github, refresh: never, maxStaleness: 1h }',
    '.maxStaleness',
    'expected a refresh beside it, or nothing would be fresh',
  ],
  [tuf('tuf.example'), '.tuf.mirror', 'expected a URL such as https://tuf.example/repository'],
  [tuf('file:///etc/tuf'), '.tuf.mirror', 'expected a URL such as https://tuf.example/repository'],
  [tuf('http://tuf.example'), '.tuf.mirror', 'expected https; plain HTTP needs insecureHttp: true'],
  [
    tuf('https://tuf.example', ', insecureHttp: true'),
    '.tuf.mirror',
    'expected a URL that begins with http:// where insecureHttp is true',
  ],
  [tuf('https://tuf.example?a=b'), '.tuf.mirror', 'expected a URL without ? and #'],
  [
    tuf('https://tuf.example', ', target: ../root.json'),
    '.tuf.target',
    'expected the name of a target such as trusted_root.json, got "../root.json"',
  ],
  [
    '{ transparencyLogs: [ { keyFile: log.pub } ] }',
    '.transparencyLogs[0]',
    'expected a key "origin"',
  ],
  [
    '{ transparencyLogs: [ { keyFile: log.pub, origin: o, validFrom: 2026-02-30 } ] }',
    '.transparencyLogs[0].validFrom',
    'expected a day of the calendar, got "2026-02-30"',
  ],
  [
    '{ transparencyLogs: [ { keyFile: log.pub, origin: o, validFrom: yesterday } ] }',
    '.transparencyLogs[0].validFrom',
    'expected a date such as 2026-01-31 or 2026-01-31T12:00:00Z, got "yesterday"',
  ],
  [
    '{ transparencyLogs: [ { keyFile: log.pub, origin: o, validFrom: 2026-02-02, validUntil: 2026-02-01 } ] }',
    '.transparencyLogs[0].validUntil',
    'expected a date after validFrom',
  ],
];
for (const [root, place, message] of cases) {
  t.test(`says of ${root}: ${message}`, async (t) => {
    t.strictSame(problemsOf(t, `trustRoots: { it: { sigstore: ${root} } }`, { files }), [
      `1 trustRoots.it.sigstore${place}: ${message}`,
    ]);
  });
}

t.test('a password in the URL of a mirror is refused and never shown', async (t) => {
  const yaml = `trustRoots: { it: { sigstore: ${tuf('https://bot:hunter2@tuf.example')} } }`;
  const problems = rawProblemsOf(t, yaml, { files });
  t.match(problems, [{ message: 'expected no user name or password in the URL of a mirror' }]);
  t.notMatch(JSON.stringify(problems), 'hunter2');
});

t.test('names files that cannot be read, each with its place', async (t) => {
  const yaml = `trustRoots:
  a: { sigstore: { trustedRootFile: gone } }
  b: { sigstore: { tuf: { mirror: "https://tuf.example", rootFile: gone } } }
  c: { sigstore: { certificateAuthorities: [ a.pem, gone ], certificateLogs: [ { keyFile: gone } ] } }`;
  t.strictSame(
    rawProblemsOf(t, yaml, { files }).map(({ path }) => path),
    [
      'trustRoots.a.sigstore.trustedRootFile',
      'trustRoots.b.sigstore.tuf.rootFile',
      'trustRoots.c.sigstore.certificateAuthorities[1]',
      'trustRoots.c.sigstore.certificateLogs[0].keyFile',
    ],
  );
});
