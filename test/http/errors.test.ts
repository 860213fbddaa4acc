/** Refusals as OCI errors: one table, the same for GET and HEAD. */
import t from 'tap';
import { request } from 'undici';
import type { RefusalCode } from '../../src/admission/decision.ts';
import { headerText, warningHeader } from '../../src/http/registry-error.ts';
import { ANY_BLOB, refused, startStub } from '../helpers/stub-server.ts';

const table: Readonly<Record<RefusalCode, string>> = {
  'unknown-upstream': '404 NAME_UNKNOWN',
  'no-rule': '403 DENIED',
  rejected: '403 DENIED',
  'not-admitted': '403 DENIED',
  'tag-held': '403 DENIED',
  'invalid-manifest': '403 DENIED',
  'too-large': '403 DENIED',
  'outside-graph': '403 DENIED',
  'upstream-refused': '403 DENIED',
  absent: '404 MANIFEST_UNKNOWN',
  unreachable: '503 UNAVAILABLE',
  timeout: '504 UNAVAILABLE',
  'rate-limited': '429 TOOMANYREQUESTS',
  'digest-mismatch': '502 DIGEST_INVALID',
};

interface Answered {
  readonly errors: readonly {
    readonly code: string;
    readonly message: string;
    readonly detail: { readonly reason: string; readonly reasons: readonly string[] };
  }[];
}

const MANIFEST = '/v2/lab.local/a/manifests/v1';

for (const [code, expected] of Object.entries(table) as [RefusalCode, string][]) {
  t.test(`${code} is ${expected}, for HEAD too`, async (t) => {
    const refusal = refused(code);
    const { url } = await startStub(t, { admission: { admit: async () => refusal } });
    const got = await request(`${url}${MANIFEST}`);
    const text = await got.body.text();
    const [error] = (JSON.parse(text) as Answered).errors;
    t.equal(`${got.statusCode} ${error?.code ?? ''}`, expected);
    t.match(error, { message: refusal.message, detail: { reason: code, reasons: ['because'] } });
    t.equal(got.headers['content-type'], 'application/json');
    t.equal(got.headers['content-length'], `${Buffer.byteLength(text)}`);
    const isLater = [429, 503, 504].includes(got.statusCode);
    t.equal(got.headers['retry-after'], isLater ? '10' : undefined);
    const head = await request(`${url}${MANIFEST}`, { method: 'HEAD' });
    t.equal(await head.body.text(), '');
    t.equal(head.statusCode, got.statusCode);
    t.equal(head.statusText, got.statusText);
    t.match(head.statusText, / by countersign: \w/);
    for (const name of ['content-length', 'content-type', 'retry-after']) {
      t.equal(head.headers[name], got.headers[name], name);
    }
  });
}

t.test('an absent blob and an absent repository have codes of their own', async (t) => {
  const { url } = await startStub(t, { admission: { admitTagList: () => refused() } });
  const code = async (target: string): Promise<string | undefined> => {
    const { body } = await request(`${url}${target}`);
    return ((await body.json()) as Answered).errors[0]?.code;
  };
  t.equal(await code(ANY_BLOB), 'BLOB_UNKNOWN');
  t.equal(await code('/v2/lab.local/a/tags/list'), 'NAME_UNKNOWN');
});

t.test('a failure that nobody foresaw is 503 and says nothing of itself', async (t) => {
  const { url } = await startStub(t, {
    admission: { admit: () => Promise.reject(new Error('secret of the house')) },
  });
  const { statusCode, body } = await request(`${url}${MANIFEST}`);
  t.equal(statusCode, 503);
  const text = await body.text();
  t.match(text, 'UNAVAILABLE');
  t.notMatch(text, 'secret');
});

t.test('the echo of ns comes with refusals too', async (t) => {
  const { url } = await startStub(t);
  const { headers } = await request(`${url}/v2/a/manifests/v1?ns=lab.local`);
  t.equal(headers['oci-namespace'], 'lab.local');
});

t.test('text for a header is one bounded line of printable ASCII', async (t) => {
  t.equal(headerText('a\r\nb\u0000ü🙂c\u007f', 100), 'a?b?c?');
  t.equal(headerText('x'.repeat(50), 10), 'xxxxxxx...');
  t.equal(warningHeader('say "no" \\ now'), `299 - "say 'no' ' now"`);
});
