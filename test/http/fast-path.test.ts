/** What is in memory is answered like everything else, only sooner. */
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Admitted, Decision } from '../../src/admission/decision.ts';
import type { PullDecision, PullRequest } from '../../src/http/serving.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { formatReference } from '../../src/oci/reference.ts';
import { openSocket, parseAnswer, rawGet, rawRequest } from '../helpers/raw-http.ts';
import { refused, startStub } from '../helpers/stub-server.ts';

const bytes = Buffer.from('{"schemaVersion":2,"note":"\u00fc"}');
const digest = digestOf(bytes);

function admitted(change: Partial<Admitted> = {}): Admitted {
  return {
    outcome: 'admitted',
    digest,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    bytes,
    rule: 'releases',
    verdict: { outcome: 'admitted', signers: ['key a'], reasons: ['signed'], findings: [] },
    source: 'memory',
    due: Number.POSITIVE_INFINITY,
    ...change,
  };
}

type Pull = PullRequest & PullDecision;

/** A server whose decision comes from memory (`known`), or takes a turn (`asked`). */
async function serve(t: Test, { known, asked }: { known?: Decision; asked?: Decision }) {
  const pulls: Pull[] = [];
  const requests: string[] = [];
  const prefetched: string[] = [];
  const { url } = await startStub(t, {
    admission: {
      peek: () => known,
      admit: async () => asked ?? refused(),
      prefetch: (reference) => prefetched.push(formatReference(reference)),
    },
    observer: {
      pull: (request, decision) => pulls.push({ ...request, ...decision }),
      request: (kind, status) => requests.push(`${kind} ${status}`),
    },
  });
  return { url, pulls, requests, prefetched };
}

const PATH = '/v2/lab.local/team/app/manifests/v1';

t.test('the same bytes, headers, audit and counts as on the long way', async (t) => {
  const warning = 'audit mode: no signature';
  for (const decision of [admitted(), admitted({ warning })]) {
    const short = await serve(t, { known: decision });
    const long = await serve(t, { asked: decision });
    for (const headers of [[], [`If-None-Match: "${digest}"`], ['If-None-Match: "other"']]) {
      for (const method of ['GET', 'HEAD']) {
        for (const path of [PATH, '/v2/team/app/manifests/v1?ns=lab.local']) {
          const lines = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers];
          const text = `${lines.join('\r\n')}\r\n\r\n`;
          const answers = await Promise.all([short, long].map(({ url }) => rawRequest(url, text)));
          const [one, other] = answers.map((answer) => ({
            ...answer,
            headers: answer.headers.filter((line) => !line.startsWith('Date:')),
          }));
          t.strictSame(one, other, `${method} ${path} ${headers.join()}`);
          t.ok(one?.headers.includes(`docker-content-digest: ${digest}`));
          t.equal(one?.status, headers[0]?.includes(digest) === true ? 304 : 200);
        }
      }
    }
    const timeless = (pulls: readonly Pull[]) => pulls.map((pull) => ({ ...pull, durationMs: 0 }));
    t.strictSame(timeless(short.pulls), timeless(long.pulls));
    t.equal(short.pulls.length, 12);
    t.strictSame(short.requests, long.requests);
    t.strictSame(short.prefetched, long.prefetched);
    t.equal(short.prefetched.length, 6, 'GET alone');
  }
});

t.test('one decision under two names is told under each', async (t) => {
  const { url, pulls } = await serve(t, { known: admitted() });
  for (const tag of ['v1', 'v2', 'v1', 'v2']) {
    await rawGet(url, `/v2/lab.local/team/app/manifests/${tag}`);
  }
  t.strictSame(
    pulls.map(({ reference }) => reference),
    ['v1', 'v2', 'v1', 'v2'].map((tag) => `lab.local/team/app:${tag}`),
  );
});

t.test('two decisions about one name are told each as it is', async (t) => {
  const other = Buffer.from('{"schemaVersion":2}');
  const decisions = [admitted(), admitted({ bytes: other, digest: digestOf(other) })];
  const told: unknown[] = [];
  let round = 0;
  const { url } = await startStub(t, {
    admission: { peek: () => decisions[round % 2] },
    observer: { pull: (_request, decision) => told.push(decision.digest) },
  });
  for (round = 0; round < 4; round++) {
    const { body } = await rawGet(url, PATH);
    t.strictSame(body, decisions[round % 2]?.bytes);
  }
  t.strictSame(told, [digest, digestOf(other), digest, digestOf(other)]);
});

t.test('a refusal in memory is a refusal', async (t) => {
  const { url } = await serve(t, {
    known: refused('not-admitted'),
    asked: refused('not-admitted'),
  });
  t.equal((await rawGet(url, PATH)).status, 403);
});

t.test('a mistake of ours ends no process', async (t) => {
  const { url } = await startStub(t, {
    admission: {
      peek: () => {
        throw new Error('a mistake');
      },
    },
  });
  const { status, body } = await rawGet(url, PATH);
  t.equal(status, 503);
  t.match(JSON.parse(body.toString()), { errors: [{ code: 'UNAVAILABLE' }] });
  t.equal((await rawGet(url, '/v2/')).status, 200);
});

t.test('push verbs to a name that is known are refused', async (t) => {
  const { url } = await serve(t, { known: admitted() });
  const answer = await rawRequest(
    url,
    `PUT ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`,
  );
  t.equal(answer.status, 405);
});

t.test('a server that closes lets go of a connection that was busy', async (t) => {
  const slow = Promise.withResolvers<Decision>();
  const begun = Promise.withResolvers<undefined>();
  const server = await startStub(t, {
    admission: {
      peek: ({ tag }) => (tag === 'slow' ? undefined : admitted()),
      admit: () => {
        begun.resolve(undefined);
        return slow.promise;
      },
    },
  });
  const socket = await openSocket(server.url);
  const ask = (tag: string): boolean =>
    socket.write(`GET /v2/lab.local/team/app/manifests/${tag} HTTP/1.1\r\nHost: x\r\n\r\n`);
  let got = '';
  const ended = new Promise<void>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve();
    });
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
      ask('v1');
    });
  });
  ask('slow');
  await begun.promise;
  const closing = server.close();
  await turn();
  slow.resolve(admitted());
  await ended;
  await closing;
  t.match(got, /^HTTP\/1.1 200 OK\r\n/);
  const last = parseAnswer(Buffer.from(got.slice(got.lastIndexOf('HTTP/1.1')), 'latin1'));
  t.ok(
    last.headers.some((line) => /^connection: close$/i.test(line)),
    'the last answer says so',
  );
});
