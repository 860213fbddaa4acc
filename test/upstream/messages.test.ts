/** What an upstream's words look like inside ours, and what never gets into them. */
import fc from 'fast-check';
import t from 'tap';
import { quote } from '../../src/upstream/registry-answer.ts';
import { UpstreamError } from '../../src/upstream/upstream.ts';
import { literalPassword } from '../../src/upstream/credentials.ts';
import { createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

t.test('a message is one short printable line', (t) => {
  t.equal(quote('manifest\r\n\tunknown\u0000\u202e\u2028!'), 'manifest unknown !');
  t.equal(quote('say "no"'), "say 'no'");
  t.equal(quote('x '.repeat(1000)).length, 200);
  for (const value of [undefined, null, 1, {}, []]) t.equal(quote(value), '');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const quoted = quote(text);
      return quoted.length <= 200 && !/[\p{Cc}\p{Cf}"]/u.test(quoted);
    }),
  );
  t.end();
});

t.test('a message carries no token and no query, but digests and names', (t) => {
  const jwt = `eyJhbGciOiJFUzI1NiJ9.${'x'.repeat(60)}.${'y'.repeat(60)}`;
  t.equal(quote(`invalid token ${jwt}`), 'invalid token …');
  t.equal(quote('Authorization: Bearer abc123 expired'), 'Authorization: Bearer … expired');
  t.equal(
    quote('see https://cdn.test/blob?X-Amz-Signature=1234 now'),
    'see https://cdn.test/blob?… now',
  );
  const digest = `sha256:${'a1'.repeat(32)}`;
  t.equal(quote(`no ${digest} in library/alpine`), `no ${digest} in library/alpine`);
  t.end();
});

t.test('an error body that is no OCI error is left out', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  for (const body of [
    '<html>',
    '{}',
    '[]',
    '{"errors":[]}',
    '{"errors":["x"]}',
    '{"errors":{}}',
    'x'.repeat(100_000),
  ]) {
    registry.fault(/./, { kind: 'status', status: 404, body });
    const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'not-found');
    t.match(error.message, /expected status 200, got 404$/);
  }
});

t.test('an error body that never ends does not outlive the deadline', async (t) => {
  const registry = await openFakeRegistry(t);
  const endless = {
    kind: 'status',
    status: 404,
    headers: { 'content-length': 10 },
    body: 'x',
  } as const;
  registry.fault(/./, { ...endless, keepOpen: true });
  const upstream = openUpstream(t, registry, { timeouts: { total: 1_000 } });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'not-found');
});

t.test('no message tells secrets, whatever goes wrong', async (t) => {
  const issuer = createTokenIssuer({ username: 'me', password: 'hunter2' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const upstream = openUpstream(t, registry, {
    credentials: { kind: 'basic', username: 'me', password: literalPassword('hunter2') },
  });
  const signed = `${registry.url}/blob?X-Amz-Signature=s3cret`;
  for (const action of [
    { kind: 'redirect', to: signed },
    { kind: 'redirect', to: 'https://user:s3cret@10.0.0.1/?X-Amz-Signature=s3cret' },
    { kind: 'reset' },
    { kind: 'status', status: 403 },
    { kind: 'status', status: 503 },
    { kind: 'truncate', at: 1 },
  ] as const) {
    registry.fault(/manifests/, action);
    registry.fault(/blob\?/, { kind: 'status', status: 500, body: signed });
    registry.putManifest(REPOSITORY, {}, { tag: 'v1' });
    const error: unknown = await upstream.fetchManifest(REPOSITORY, 'v1').catch((e: unknown) => e);
    if (!(error instanceof UpstreamError)) throw new Error('expected an UpstreamError');
    t.notMatch(error.message, /s3cret|hunter2|fake-token|aHVudGVy|bWU6/);
  }
});
