/**
 * Refusals repeat what strangers wrote: media types, annotations, upstream error messages, tags, the operator's own
 * reject reason. Over HTTP/1.1 the short form goes into the reason phrase and into Warning, where a line break would
 * begin a header of the attacker's choosing; the long form is printed on somebody's terminal, where an escape sequence
 * would act.
 *
 * Every status line and header stays one line of printable ASCII, and every message one line of bounded length.
 */
import t, { type Test } from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, type Lab } from '../helpers/lab.ts';
import { putBundle, SIMPLE_LAYER } from '../helpers/signer.ts';
import { parseAnswer, rawGet, rawRequest, type RawAnswer } from '../helpers/raw-http.ts';

const EVIL = 'x\r\nSet-Cookie: evil=1\r\n\r\n\u0000\u001b[2J\u009b2J\u202eдобрый\u2028"\\ день 🙂';

const KNOWN = new Set([
  ...[
    'accept-ranges',
    'cache-status',
    'connection',
    'content-length',
    'content-type',
    'date',
    'docker-content-digest',
    'etag',
  ],
  ...['keep-alive', 'retry-after', 'warning'],
]);

function expectClean(t: Test, { phrase, headers, body }: RawAnswer): void {
  t.match(phrase, /^[\x20-\x7e]{1,240}$/, phrase);
  for (const line of headers) {
    t.match(line, /^[a-z-]+: [\x20-\x7e]+$/i, line);
    t.ok(KNOWN.has(line.split(':', 1).join('').toLowerCase()), line);
  }
  const text = body.toString();
  if (!text.startsWith('{"errors"')) return;
  const { errors } = JSON.parse(text) as {
    errors: { message: string; detail?: { reasons?: string[] } }[];
  };
  for (const said of errors.flatMap(({ message, detail }) => [
    message,
    ...(detail?.reasons ?? []),
  ])) {
    t.ok(said.length <= 4096, `${said.length} characters`);
    t.notOk(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(said), encodeURIComponent(said));
  }
}

/** GET and HEAD; both have the status line. */
async function expectCleanAnswers(t: Test, { proxy }: Lab, what: string): Promise<void> {
  const target = `/v2/lab.local/${TEAM}/${what}`;
  expectClean(t, await rawGet(proxy.url, target));
  const head = `HEAD ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  expectClean(t, await rawRequest(proxy.url, head));
}

t.test('a media type of the manifest injects nothing', async (t) => {
  const lab = await openLab(t);
  lab.image('app', { tag: 'v1', changes: { mediaType: EVIL } });
  lab.registry.fault(/\/manifests\/(v1|sha256:)/, {
    kind: 'headers',
    headers: { 'content-type': OCI_MANIFEST },
  });
  await expectCleanAnswers(t, lab, 'manifests/v1');
});

t.test('a media type of megabytes is not repeated as a whole', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.signed('app', { changes: { mediaType: 'm'.repeat(3_000_000) } });
  lab.registry.fault(new RegExp(`GET .*${digest}$`), {
    kind: 'headers',
    headers: { 'content-type': OCI_MANIFEST, 'docker-content-digest': undefined },
  });
  await expectCleanAnswers(t, lab, `manifests/${digest}`);
});

t.test(
  'a signature manifest of an evil type, with evil annotations, injects nothing',
  async (t) => {
    const lab = await openLab(t);
    const { digest } = lab.image('app', { tag: 'v1' });
    const tag = `${digest.replace(':', '-')}.sig`;
    const sig = lab.image('sig', {
      tag,
      changes: {
        layers: [{ mediaType: SIMPLE_LAYER, digest, size: 3, annotations: { [EVIL]: EVIL } }],
      },
    });
    lab.registry.fault(new RegExp(`GET .*(${tag}|${sig.digest})$`), {
      kind: 'replace',
      body: JSON.stringify({ schemaVersion: 2, mediaType: EVIL }),
    });
    await expectCleanAnswers(t, lab, 'manifests/v1');
  },
);

t.test('evil annotations and members of a bundle inject nothing', async (t) => {
  const lab = await openLab(t, { registry: { referrersApi: true } });
  const image = lab.image('app', { tag: 'v1' });
  putBundle(lab.registry, TEAM, image, { [EVIL]: EVIL });
  putBundle(lab.registry, TEAM, image, {}, { annotations: { [EVIL]: 7 }, artifactType: EVIL });
  putBundle(lab.registry, TEAM, image, {}, { layers: EVIL });
  putBundle(lab.registry, TEAM, image, {}, { mediaType: EVIL });
  await expectCleanAnswers(t, lab, 'manifests/v1');
});

t.test("an upstream's own error message injects nothing", async (t) => {
  for (const status of [400, 403, 404, 429, 500]) {
    const lab = await openLab(t, { upstream: { retry: { attempts: 1 } } });
    lab.signed('app', { tag: 'v1' });
    const body = JSON.stringify({ errors: [{ code: EVIL, message: EVIL }] });
    lab.registry.fault(/^GET .*\/manifests\//, {
      kind: 'status',
      status,
      headers: { 'content-type': 'application/json', 'retry-after': '7' },
      body,
    });
    await expectCleanAnswers(t, lab, 'manifests/v1');
  }
});

t.test('what an upstream answers to the fetch of a blob injects nothing', async (t) => {
  const lab = await openLab(t, { upstream: { retry: { attempts: 1 } } });
  const { config } = lab.signed('app', { tag: 'v1' });
  await lab.get('manifests/v1');
  const body = JSON.stringify({ errors: [{ code: EVIL, message: EVIL }] });
  lab.registry.fault(/\/blobs\//, { kind: 'status', status: 403, body });
  await expectCleanAnswers(t, lab, `blobs/${config}`);
});

t.test("the operator's reason and rule name may be of several lines and any script", async (t) => {
  const lab = await openLab(t, { rule: { name: EVIL, reject: EVIL } });
  await expectCleanAnswers(t, lab, 'manifests/v1');
  await expectCleanAnswers(t, lab, 'tags/list');
});

t.test('a warning in audit mode injects nothing', async (t) => {
  const lab = await openLab(t, {
    rule: { name: EVIL, mode: 'audit', require: { key: { trustRoot: 'release' } } },
    registry: { referrersApi: true },
  });
  const image = lab.image('app', { tag: 'v1' });
  putBundle(lab.registry, TEAM, image, { [EVIL]: EVIL });
  const answer = await rawGet(lab.proxy.url, `/v2/lab.local/${TEAM}/manifests/v1`);
  expectClean(t, answer);
  const warnings = answer.headers.filter((line) => /^warning:/i.test(line));
  t.match(warnings, [/^warning: 299 - "[^"\\]*"$/i]);
});

t.test('names in the request inject nothing into its refusal', async (t) => {
  const lab = await openLab(t);
  const encoded = encodeURIComponent(EVIL);
  for (const what of [`manifests/${encoded}`, `blobs/${encoded}`, `${encoded}/manifests/v1`]) {
    await expectCleanAnswers(t, lab, what);
  }
  for (const target of [`/v2/a/b/manifests/v1?ns=${encoded}`, `/${encoded}/v2/a/manifests/v1`]) {
    expectClean(t, await rawGet(lab.proxy.url, target));
  }
});

t.test('a line that is no header is seen as such', async (t) => {
  const { headers } = parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\nSet-Cookie: evil=1\r\n\r\n'));
  t.notOk(KNOWN.has(headers.join('').split(':', 1).join('').toLowerCase()));
});
