/** Referrers: where the API is there, where it is not, and where it only looks like it. */
import t from 'tap';
import { parseDigest } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import { findNextLink } from '../../src/upstream/link.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';

const SUBJECT = parseDigest(`sha256:${'a'.repeat(64)}`);
const PATH = `/v2/${REPOSITORY}/referrers/${SUBJECT}`;

function putReferrers(registry: FakeRegistry, count: number): void {
  for (let number = 0; number < count; number++) {
    registry.putManifest(REPOSITORY, {
      schemaVersion: 2,
      artifactType: 'application/x',
      annotations: { number: String(number) },
      subject: { digest: SUBJECT },
    });
  }
}

function answerWith(registry: FakeRegistry, body: string, headers = {}): void {
  const length = Buffer.byteLength(body);
  const always = { 'content-type': OCI_INDEX, 'content-length': length };
  registry.fault(/referrers/, {
    kind: 'status',
    status: 200,
    headers: { ...always, ...headers },
    body,
  });
}

t.test('lists referrers with what the registry says of them, unfiltered', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  putReferrers(registry, 2);
  const found = await openUpstream(t, registry).referrers(REPOSITORY, SUBJECT);
  t.match(found, [
    { artifactType: 'application/x', annotations: { number: '0' } },
    { artifactType: 'application/x', annotations: { number: '1' } },
  ]);
  t.equal(registry.requests[0]?.url, PATH);
  t.equal(registry.requests[0]?.headers.accept, OCI_INDEX);
});

t.test('nothing refers to an unknown digest', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const upstream = openUpstream(t, registry);
  t.same(await upstream.referrers(REPOSITORY, SUBJECT), []);
  answerWith(registry, '{"schemaVersion":2,"manifests":null}');
  t.same(await upstream.referrers(REPOSITORY, SUBJECT), []);
});

t.test('registries without the API have none', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  t.equal(await upstream.referrers(REPOSITORY, SUBJECT), undefined);
  for (const status of [400, 404, 405, 406]) {
    registry.fault(/./, { kind: 'status', status, body: '<html>' });
    t.equal(await upstream.referrers(REPOSITORY, SUBJECT), undefined, String(status));
  }
  for (const type of ['text/html', 'application/json', undefined]) {
    answerWith(registry, '{"manifests":[]}', { 'content-type': type });
    t.equal(await upstream.referrers(REPOSITORY, SUBJECT), undefined, String(type));
  }
});

t.test('a redirect to elsewhere means no API, and nobody goes there', async (t) => {
  const registry = await openFakeRegistry(t);
  const elsewhere = await openFakeRegistry(t, { referrersApi: true });
  const upstream = openUpstream(t, registry, { privateHosts: [elsewhere.host] });
  for (const to of [
    `${elsewhere.url}${PATH}`,
    'https://github.test/-/v2/packages',
    'http://10.0.0.1/',
  ]) {
    registry.fault(/referrers/, { kind: 'redirect', to, status: 303 });
    t.equal(await upstream.referrers(REPOSITORY, SUBJECT), undefined);
  }
  t.equal(elsewhere.requests.length, 0);
});

t.test('a redirect at the same place is followed', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  putReferrers(registry, 1);
  registry.fault(/referrers\/sha256:a+$/, { kind: 'redirect', to: `${PATH}?from=0` });
  const found = await openUpstream(t, registry).referrers(REPOSITORY, SUBJECT);
  t.equal(found?.length, 1);
});

t.test('what is no answer is an error, not an empty list', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const upstream = openUpstream(t, registry);
  for (const [status, code] of [
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [429, 'rate-limited'],
    [500, 'unreachable'],
    [503, 'unreachable'],
  ] as const) {
    registry.fault(/./, { kind: 'status', status });
    await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), code);
  }
  registry.fault(/./, { kind: 'reset' });
  await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'unreachable');
  const hasty = openUpstream(t, registry, { timeouts: { total: 30 } });
  registry.fault(/./, { kind: 'stall' });
  await expectFailure(t, hasty.referrers(REPOSITORY, SUBJECT), 'timeout');
});

t.test('an index that is none is a bad response', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  for (const body of ['', '<html>', '[]', '{"manifests":{}}', '{"manifests":[],"manifests":[]}']) {
    answerWith(registry, body);
    await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'bad-response');
  }
  answerWith(registry, '{"manifests":[]}', { 'content-encoding': 'gzip' });
  await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'bad-response');
});

t.test('malformed entries do not hide the good ones', async (t) => {
  const registry = await openFakeRegistry(t);
  const good = { mediaType: 'a/b', digest: SUBJECT, size: 1 };
  const manifests = [
    null,
    'x',
    {},
    { ...good, digest: 'sha256:x' },
    { ...good, digest: undefined },
    { ...good, size: -1 },
    { ...good, size: '1' },
    { ...good, size: 1.5 },
    { ...good, mediaType: '' },
    { ...good, annotations: { a: 1 } },
    good,
  ];
  answerWith(registry, JSON.stringify({ schemaVersion: 2, manifests }));
  t.same(await openUpstream(t, registry).referrers(REPOSITORY, SUBJECT), [good]);
});

t.test('reads all pages', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true, referrersPageSize: 2 });
  putReferrers(registry, 5);
  const found = await openUpstream(t, registry).referrers(REPOSITORY, SUBJECT);
  t.same(
    found?.map(({ annotations }) => annotations?.['number']),
    ['0', '1', '2', '3', '4'],
  );
  t.equal(registry.requests.length, 3);
});

t.test('stops after ten pages, and says so', async (t) => {
  const registry = await openFakeRegistry(t, { referrersApi: true, referrersPageSize: 1 });
  putReferrers(registry, 12);
  const warnings: unknown[] = [];
  const upstream = openUpstream(t, registry, {
    logger: { debug: () => undefined, warn: (...args: unknown[]) => void warnings.push(args) },
  });
  t.equal((await upstream.referrers(REPOSITORY, SUBJECT))?.length, 10);
  t.equal(registry.requests.length, 10);
  t.match(warnings, [[{ upstream: 'registry.test' }, /too many referrers/]]);
});

t.test('stops after a thousand descriptors', async (t) => {
  const registry = await openFakeRegistry(t);
  const one = { mediaType: 'a/b', digest: SUBJECT, size: 1 };
  const manifests = Array.from({ length: 1500 }, () => one);
  answerWith(registry, JSON.stringify({ manifests }), { link: `<${PATH}?page=2>; rel="next"` });
  t.equal((await openUpstream(t, registry).referrers(REPOSITORY, SUBJECT))?.length, 1000);
  t.equal(registry.requests.length, 1);
});

t.test('refuses pages in a circle, pages elsewhere and pages that are missing', async (t) => {
  const registry = await openFakeRegistry(t);
  const elsewhere = await openFakeRegistry(t, { referrersApi: true });
  const upstream = openUpstream(t, registry, { privateHosts: [elsewhere.host] });
  for (const target of [
    PATH,
    '',
    `${elsewhere.url}${PATH}?n=1`,
    `//${elsewhere.host}${PATH}`,
    `/v2/other/referrers/${SUBJECT}`,
    '../../../../token',
    'https://[',
  ]) {
    answerWith(registry, '{"manifests":[]}', { link: `<${target}>; rel="next"` });
    registry.clearRequests();
    await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'bad-response');
    t.equal(registry.requests.length, 1, target);
  }
  t.equal(elsewhere.requests.length, 0);
  answerWith(registry, '{"manifests":[]}', { link: `<?page=2>; rel=next` });
  registry.fault(/page=2/, { kind: 'status', status: 404 });
  await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'bad-response');
});

t.test('refuses a page over the bound', async (t) => {
  const registry = await openFakeRegistry(t);
  answerWith(registry, `{"manifests":[]${' '.repeat(4 * 1024 * 1024)}}`);
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.referrers(REPOSITORY, SUBJECT), 'too-large');
});

t.test('finds the next page among links', (t) => {
  t.equal(findNextLink('</a?n=1>; rel="next"'), '/a?n=1');
  t.equal(findNextLink('</a>;rel=next'), '/a');
  t.equal(findNextLink('</p>; rel="prev", </a,b>; title="x, <y>"; rel="last next"'), '/a,b');
  t.equal(findNextLink(['</p>; rel=prev', '</n>; rel=next']), '/n');
  for (const header of [
    undefined,
    '',
    '/a; rel=next',
    '</a>',
    '</a>; rel=nextish',
    '</a>; title="rel=next"',
  ]) {
    t.equal(findNextLink(header), undefined, String(header));
  }
  t.end();
});
