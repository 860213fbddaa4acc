/** Tag lists: passed through, with pagination in our own name, and nothing else of either side. */
import t from 'tap';
import { Agent, request } from 'undici';
import type { Origin } from '../../src/http/serving.ts';
import { openLab, told } from '../helpers/lab.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startStub } from '../helpers/stub-server.ts';

t.test('tags are listed, for HEAD without a body', async (t) => {
  const { image, get, head } = await openLab(t);
  for (const tag of ['v1', 'v2']) image(tag, { tag });
  const answer = await get('tags/list');
  t.equal(answer.status, 200);
  t.strictSame(JSON.parse(answer.body.toString()), { name: 'team/app', tags: ['v1', 'v2'] });
  t.equal(answer.headers['content-type'], 'application/json');
  const asked = await head('tags/list');
  t.equal(asked.status, 200);
  t.equal(asked.body.length, 0);
});

for (const [form, prefix, ns] of [
  ['prefix', '/v2/lab.local/team/app', ''],
  ['ns', '/v2/team/app', '&ns=lab.local'],
  ['host', '/lab.local/v2/team/app', ''],
] as const) {
  t.test(`pages are followed under the name that the client used: ${form}`, async (t) => {
    const { proxy, image } = await openLab(t);
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const tag of names) image(tag, { tag });
    const found: string[] = [];
    let next: string | undefined = `${prefix}/tags/list?n=2${ns}`;
    for (let page = 0; next !== undefined && page < 9; page++) {
      const { status, headers, body } = await proxy.get(next);
      t.equal(status, 200);
      t.equal(headers['oci-namespace'], ns === '' ? undefined : 'lab.local');
      found.push(...(JSON.parse(body.toString()) as { tags: string[] }).tags);
      const link = String(headers['link'] ?? '');
      t.ok(link === '' || link.startsWith(`<${prefix}/tags/list?`), link);
      next = /^<([^>]+)>; rel="next"$/.exec(link)?.[1];
    }
    t.strictSame(found, names);
  });
}

t.test('only n and last are asked for upstream', async (t) => {
  const { registry, image, get } = await openLab(t);
  image('v1', { tag: 'v1' });
  await get('tags/list?n=5&last=a%26b&ns=lab.local&token=x&n=7');
  t.strictSame(
    registry.requests.map(({ url }) => url),
    ['/v2/team/app/tags/list?n=5&last=a%26b'],
  );
});

t.test('a link to elsewhere leads nowhere but here', async (t) => {
  const { registry, image, get } = await openLab(t);
  image('v1', { tag: 'v1' });
  for (const [link, expected] of [
    [
      '<https://evil.test/v2/x/tags/list?n=1&last=v1&x=y>; rel="next"',
      /^<\/v2\/lab\.local\/team\/app\/tags\/list\?n=1&last=v1>; rel="next"$/,
    ],
    ['https://evil.test/', undefined],
    ['<http://[>; rel="next"', undefined],
  ] as const) {
    const heal = registry.fault(/tags/, { kind: 'headers', headers: { link } });
    const { headers } = await get('tags/list');
    if (expected === undefined) t.equal(headers['link'], undefined);
    else t.match(headers['link'], expected);
    heal();
  }
});

t.test('no header of the upstream comes through but the length', async (t) => {
  const { registry, image, get } = await openLab(t);
  image('v1', { tag: 'v1' });
  registry.fault(/tags/, {
    kind: 'headers',
    headers: { 'content-type': 'text/html; charset=utf-8', 'set-cookie': 'a=b', 'x-evil': '1' },
  });
  const { headers } = await get('tags/list');
  t.strictSame(
    Object.keys(headers)
      .filter((name) => !['date', 'connection', 'keep-alive'].includes(name))
      .sort(),
    ['content-length', 'content-type'],
  );
  t.equal(headers['content-type'], 'application/json');
});

const errors: Readonly<Record<number, string>> = {
  400: '503 UNAVAILABLE',
  401: '403 DENIED',
  403: '403 DENIED',
  404: '404 NAME_UNKNOWN',
  429: '429 TOOMANYREQUESTS',
  500: '503 UNAVAILABLE',
  503: '503 UNAVAILABLE',
};

for (const [status, expected] of Object.entries(errors)) {
  t.test(`${status} upstream is ${expected}, in our own words`, async (t) => {
    const { registry, image, get, head } = await openLab(t, {
      upstream: { retry: { attempts: 1 } },
    });
    image('v1', { tag: 'v1' });
    registry.fault(/tags/, { kind: 'status', status: Number(status), body: 'secret' });
    const answer = await get('tags/list');
    t.equal(told(answer), expected);
    t.notMatch(answer.body.toString(), 'secret');
    t.equal(registry.requests.length, 1, 'it is asked once');
    t.equal((await head('tags/list')).status, answer.status);
  });
}

t.test('an upstream that does not answer is 503', async (t) => {
  const { registry, get } = await openLab(t);
  await registry.close();
  t.equal(told(await get('tags/list')), '503 UNAVAILABLE');
});

t.test('two upstreams at one origin are asked each in its own name', async (t) => {
  const registry = await openFakeRegistry(t);
  putImage(registry, 'team/app', 'app', { tag: 'v1' });
  const agent = new Agent();
  t.teardown(() => agent.close());
  const originOf = (who: string): Origin => ({
    url: new URL(registry.url),
    dispatcher: agent.compose(
      (dispatch) => (options, handler) => dispatch({ ...options, headers: { who } }, handler),
    ),
  });
  const hosts = ['one.local', 'two.local'];
  const { url } = await startStub(t, {
    origins: new Map(hosts.map((host) => [host, originOf(host)])),
  });
  for (const host of hosts) {
    const { statusCode, body } = await request(`${url}/v2/${host}/team/app/tags/list`);
    await body.dump();
    t.equal(statusCode, 200);
  }
  t.strictSame(
    registry.requests.map(({ headers }) => headers['who']),
    hosts,
  );
});
