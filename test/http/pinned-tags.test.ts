/** Tag lists where nobody may be asked: pages of what is pinned. */
import t from 'tap';
import { request } from 'undici';
import { refused, startStub } from '../helpers/stub-server.ts';

const TAGS = ['1.0', '1.1', '2.0'];

const listPinned = async (_repository: unknown, after: string, limit: number) =>
  TAGS.filter((tag) => tag > after).slice(0, limit);

async function get(url: string, method: 'GET' | 'HEAD' = 'GET') {
  const { statusCode, headers, body } = await request(url, { method });
  return { status: statusCode, headers, text: await body.text() };
}

t.test('the whole list, under the name that was asked for', async (t) => {
  const { url } = await startStub(t, { admission: { listPinned } });
  const { status, headers, text } = await get(`${url}/v2/lab.local/team/app/tags/list`);
  t.equal(status, 200);
  t.equal(text, JSON.stringify({ name: 'team/app', tags: TAGS }));
  t.equal(headers['link'], undefined);
  const head = await get(`${url}/v2/lab.local/team/app/tags/list`, 'HEAD');
  t.match(head, { status: 200, text: '', headers: { 'content-length': String(text.length) } });
});

t.test('pages lead to each other until the end', async (t) => {
  const { url } = await startStub(t, { admission: { listPinned } });
  const seen: string[] = [];
  let next: string | undefined = '/v2/team/app/tags/list?ns=lab.local&n=2';
  while (next !== undefined) {
    const { text, headers } = await get(`${url}${next}`);
    seen.push(...(JSON.parse(text) as { tags: string[] }).tags);
    [, next] = /^<(.*)>; rel="next"$/.exec(String(headers['link'] ?? '')) ?? [];
    t.equal(headers['oci-namespace'], 'lab.local');
  }
  t.strictSame(seen, TAGS);
});

t.test('a page is never longer than we say, whatever is asked for', async (t) => {
  const many = Array.from({ length: 3000 }, (_, index) => `t${String(index).padStart(5, '0')}`);
  const { url } = await startStub(t, {
    admission: {
      listPinned: async (_, after, limit) => many.filter((tag) => tag > after).slice(0, limit),
    },
  });
  for (const n of ['', '?n=5000', '?n=-1', '?n=x', '?n=1e99']) {
    const { text, headers } = await get(`${url}/v2/lab.local/a/tags/list${n}`);
    t.equal((JSON.parse(text) as { tags: string[] }).tags.length, 1000, n);
    t.match(headers['link'], /n=1000&last=t00999/);
  }
});

t.test('what no rule lists is not listed', async (t) => {
  const admission = { listPinned, admitTagList: () => refused('no-rule') };
  const { url } = await startStub(t, { admission });
  t.equal((await get(`${url}/v2/lab.local/a/tags/list`)).status, 403);
});
