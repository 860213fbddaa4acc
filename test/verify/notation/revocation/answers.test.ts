/** Answers: asked for once, kept for a day, verified whenever they are used, and never believed because they were kept. */
import t from 'tap';
import type {
  AnswerCache,
  KeptAnswer,
} from '../../../../src/verify/notation/revocation/answer-cache.ts';
import {
  createAnswers,
  type Question,
} from '../../../../src/verify/notation/revocation/answers.ts';
import {
  UnreachableError,
  type FetchBytes,
} from '../../../../src/verify/notation/revocation/fetch-bytes.ts';
import { DAY, HOUR, NOW } from './made-revocation.ts';

const QUESTION: Question = {
  url: 'http://l.example/a',
  method: 'GET',
  maxBytes: 8,
  timeoutMs: 5000,
};

/** Takes texts that begin with `ok`; they hold for a week. */
const readText = (bytes: Buffer): Promise<{ readonly text: string; readonly until: number }> => {
  const text = bytes.toString();
  return text.startsWith('ok')
    ? Promise.resolve({ text, until: NOW + 7 * DAY })
    : Promise.reject(new SyntaxError('no answer'));
};

/** A place that answers, and counts who asks. */
function makePlace(...replies: readonly (string | Error)[]) {
  const asked: string[] = [];
  const fetchBytes: FetchBytes = (url) => {
    const reply = replies[asked.length] ?? new Error('nothing more');
    asked.push(url);
    return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(Buffer.from(reply));
  };
  return { asked, fetchBytes };
}

function memoryCache(): AnswerCache & { readonly kept: Map<string, KeptAnswer> } {
  const kept = new Map<string, KeptAnswer>();
  return {
    kept,
    find: (question) => Promise.resolve(kept.get(question)),
    keep: (question, answer) => {
      kept.set(question, answer);
      return Promise.resolve();
    },
  };
}

t.test('an answer is kept for a day and asked for again after it', async (t) => {
  const { asked, fetchBytes } = makePlace('ok 1', 'ok 2');
  const answers = createAnswers(fetchBytes, memoryCache());
  const first = await answers.ask(QUESTION, NOW, readText);
  t.strictSame(first, { text: 'ok 1', until: NOW + DAY }, 'to be asked for anew in a day');
  t.strictSame(await answers.ask(QUESTION, NOW + DAY - 1, readText), first);
  t.equal(asked.length, 1);
  t.match(await answers.ask(QUESTION, NOW + DAY, readText), { text: 'ok 2', until: NOW + 2 * DAY });
  t.equal(asked.length, 2);
});

t.test('an answer that ends sooner is not stretched', async (t) => {
  const { fetchBytes } = makePlace('ok');
  const soon = (): Promise<{ readonly until: number }> => Promise.resolve({ until: NOW + HOUR });
  t.strictSame(await createAnswers(fetchBytes, undefined).ask(QUESTION, NOW, soon), {
    until: NOW + HOUR,
  });
});

t.test('a place that does not answer leaves the answer that was kept', async (t) => {
  const { fetchBytes } = makePlace('ok 1', new Error('time is up'));
  const answers = createAnswers(fetchBytes, memoryCache());
  await answers.ask(QUESTION, NOW, readText);
  t.strictSame(
    await answers.ask(QUESTION, NOW + 2 * DAY, readText),
    { text: 'ok 1', until: NOW + 2 * DAY + 10 * 60_000 },
    'for a while: whoever cuts the line must not make it last',
  );
});

t.test('a place that is out of reach is left alone for a while', async (t) => {
  const { asked, fetchBytes } = makePlace(new UnreachableError('dead'), 'ok 1', new Error('gone'));
  const answers = createAnswers(fetchBytes, undefined);
  await t.rejects(answers.ask(QUESTION, NOW, readText), { name: 'UnreachableError' });
  const other = { ...QUESTION, url: 'http://l.example/b' };
  await t.rejects(answers.ask(other, NOW + 29_999, readText), {
    name: 'UnreachableError',
    message: /it could not be reached a moment ago/,
  });
  t.equal(asked.length, 1, 'whatever is asked of it');
  t.match(await answers.ask(QUESTION, NOW + 30_000, readText), { text: 'ok 1' });
  await t.rejects(answers.ask(QUESTION, NOW + 30_000, readText), /gone/);
  await t.rejects(answers.ask(QUESTION, NOW + 30_000, readText), /nothing more/);
  t.equal(asked.length, 4, 'what answers badly is no reason');
});

t.test('a place that answers with nonsense does not', async (t) => {
  const cache = memoryCache();
  const { fetchBytes } = makePlace('ok 1', 'no');
  const answers = createAnswers(fetchBytes, cache);
  await answers.ask(QUESTION, NOW, readText);
  await t.rejects(answers.ask(QUESTION, NOW + 2 * DAY, readText), {
    message: 'http://l.example/a: no answer',
  });
  t.equal([...cache.kept.values()][0]?.bytes.toString(), 'ok 1', 'and is not kept');
});

t.test('what was kept is verified like anything else', async (t) => {
  const cache = memoryCache();
  const { asked, fetchBytes } = makePlace('ok 1', 'ok 2', 'ok 3');
  const answers = createAnswers(fetchBytes, cache);
  await answers.ask(QUESTION, NOW, readText);
  const [key = ''] = cache.kept.keys();
  cache.kept.set(key, { bytes: Buffer.from('damaged'), at: NOW });
  t.match(await answers.ask(QUESTION, NOW, readText), { text: 'ok 2' });
  cache.kept.set(key, { bytes: Buffer.from('ok 9'), at: NOW + HOUR });
  t.match(await answers.ask(QUESTION, NOW, readText), { text: 'ok 3' }, 'a clock that was ahead');
  t.equal(asked.length, 3);
});

t.test('bounds hold whatever the way out makes of them', async (t) => {
  const cache = memoryCache();
  const { fetchBytes } = makePlace('ok, but too long');
  await t.rejects(
    createAnswers(fetchBytes, cache).ask(QUESTION, NOW, readText),
    /expected at most 8 bytes, got 16/,
  );
  t.equal(cache.kept.size, 0);
});

t.test('nobody is asked where nobody may be', async (t) => {
  await t.rejects(
    createAnswers(undefined, undefined).ask(QUESTION, NOW, readText),
    /http:\/\/l\.example\/a: no place may be asked from here/,
  );
});

t.test('everybody who asks the same at the same time waits for one answer', async (t) => {
  const { asked, fetchBytes } = makePlace('ok 1', 'ok 2', new Error('down'), 'ok 3');
  const answers = createAnswers(fetchBytes, undefined);
  const both = await Promise.all([1, 2].map(() => answers.ask(QUESTION, NOW, readText)));
  t.match(both, [{ text: 'ok 1' }, { text: 'ok 1' }]);
  t.equal(asked.length, 1);
  await answers.ask(QUESTION, NOW, readText);
  t.equal(asked.length, 2, 'who comes later asks again');
  await t.rejects(answers.ask(QUESTION, NOW, readText), /down/);
  t.match(await answers.ask(QUESTION, NOW, readText), { text: 'ok 3' }, 'a failure is not kept');
});

t.test('other questions have other answers', async (t) => {
  const { fetchBytes } = makePlace('ok 1', 'ok 2', 'ok 3');
  const answers = createAnswers(fetchBytes, memoryCache());
  const post = (body: string): Question => ({
    ...QUESTION,
    method: 'POST',
    body: Buffer.from(body),
  });
  t.match(await answers.ask(QUESTION, NOW, readText), { text: 'ok 1' });
  t.match(await answers.ask(post('a'), NOW, readText), { text: 'ok 2' });
  t.match(await answers.ask(post('b'), NOW, readText), { text: 'ok 3' });
  t.match(await answers.ask(post('a'), NOW, readText), { text: 'ok 2' });
});
