/** What reaches the log, and what must not. */
import { pbkdf2 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import t from 'tap';
import { LogStream } from '../../src/observe/log-stream.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { testdir } from '../helpers/testdir.ts';

/** Lines as JSON, written by `work` with a logger of the level. */
function linesOf(
  level: string,
  work: (logger: ReturnType<typeof createLogger>) => void,
): unknown[] {
  const lines: unknown[] = [];
  work(createLogger(level, { write: (line) => lines.push(JSON.parse(line)) }));
  return lines;
}

const hash = promisify(pbkdf2);

t.test('lines are JSON with level, time and message, and nothing of the host', async (t) => {
  const before = Date.now();
  const [line] = linesOf('info', (logger) => {
    logger.info({ upstream: 'ghcr.io' }, 'listening');
  });
  t.match(line, { level: 'info', upstream: 'ghcr.io', msg: 'listening' });
  t.strictSame(Object.keys(line as object).sort(), ['level', 'msg', 'time', 'upstream']);
  t.ok((line as { time: number }).time >= before);
});

t.test('lines below the level are not written', async (t) => {
  const lines = linesOf('warn', (logger) => {
    logger.info('no');
    logger.warn('yes');
  });
  t.match(lines, [{ msg: 'yes' }]);
});

t.test('secrets are redacted wherever they turn up', async (t) => {
  const secret = 'correct-horse';
  const error = Object.assign(new Error('upstream said no'), {
    headers: { authorization: secret, 'set-cookie': secret },
    token: secret,
  });
  const lines = linesOf('info', (logger) => {
    logger.info({ authorization: secret, password: secret, token: secret, cookie: secret }, 'top');
    logger.info({ headers: { authorization: secret, 'proxy-authorization': secret } }, 'one down');
    logger.info({ req: { headers: { cookie: secret, 'set-cookie': [secret] } } }, 'two down');
    logger.warn({ err: error }, 'an error with its response');
    logger.warn(error);
    logger.child({ credentials: { password: secret } }).info('bound');
  });
  t.equal(lines.length, 6);
  t.notMatch(JSON.stringify(lines), secret);
  t.match(lines[3], { err: { message: 'upstream said no', token: '[redacted]' } });
});

t.test('a stream gathers lines and writes them in order', async (t) => {
  const file = join(testdir(t, {}), 'log');
  const stream = new LogStream({ destination: file });
  const expected: string[] = [];
  for (let index = 0; index < 5000; index++) {
    const line = `line ${index} ${'x'.repeat(60)}\n`;
    expected.push(line);
    stream.write(line);
  }
  stream.close();
  await t.resolveMatch(
    eventually(() => readFileSync(file, 'utf8') === expected.join('')),
    true,
  );
});

t.test('a stream that is closed while it writes keeps the order', async (t) => {
  // Whoever comes later to the threads that write files waits for these.
  const busy = Array.from({ length: 8 }, () => hash('password', 'salt', 400_000, 64, 'sha512'));
  const file = join(testdir(t, {}), 'log');
  const stream = new LogStream({ destination: file });
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} ${'x'.repeat(60)}\n`);
  for (const line of lines) stream.write(line);
  stream.close();
  await Promise.all(busy);
  await t.resolveMatch(
    eventually(() => readFileSync(file, 'utf8') === lines.join('')),
    true,
  );
});

t.test('a single line is written without anybody asking', async (t) => {
  const file = join(testdir(t, {}), 'log');
  const stream = new LogStream({ destination: file });
  t.teardown(() => {
    stream.close();
  });
  stream.write('alone\n');
  await t.resolveMatch(
    eventually(() => readFileSync(file, 'utf8') === 'alone\n'),
    true,
  );
});

const observation = new URL('../../src/observe/observation.ts', import.meta.url).href;

for (const [title, ending] of [
  ['exits', 'process.exit(3)'],
  ['ends by itself', ''],
  ['throws', 'throw new Error("boom")'],
  ['dies right after a fatal line', 'o.logger.fatal("last"); process.kill(process.pid, "SIGKILL")'],
] as const) {
  t.test(`nothing is lost when the process ${title}`, async (t) => {
    const script = `
      import { createObservation } from ${JSON.stringify(observation)};
      const o = createObservation({ level: 'info' });
      await new Promise((done) => setImmediate(done));
      o.logger.info('first');
      o.logger.info('second');
      ${ending}`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    t.match(stdout, /"msg":"first"[^]*"msg":"second"/);
    if (ending.includes('fatal')) t.match(stdout, /"msg":"last"/);
  });
}

t.test('a disk that is full costs lines and counts them, not the process', async (t) => {
  let dropped = 0;
  const stream = new LogStream({ destination: '/dev/full', onDrop: (lines) => (dropped += lines) });
  stream.write('one\n');
  const start = performance.now();
  stream.flushSync();
  t.ok(performance.now() - start < 5000, 'nobody waits for a disk to empty itself');
  t.equal(dropped, 1);
  stream.write('two\nthree\n'.repeat(10_000));
  t.ok(await eventually(() => dropped === 20_001), 'the asynchronous write failed too');
  stream.close();
  stream.write('late\n');
  stream.flushSync();
  t.equal(dropped, 20_002);
});

t.test('a reader that is gone keeps nobody from ending', async (t) => {
  const script = `
    import { createObservation } from ${JSON.stringify(observation)};
    const o = createObservation({ level: 'info' });
    process.stdin.once('data', () => {
      for (let i = 0; i < 5000; i++) o.logger.info('nobody reads this');
      setImmediate(() => process.exit(7));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdout.destroy();
  child.stdin.write('go');
  const [code] = (await once(child, 'exit')) as [number];
  t.equal(code, 7);
});

t.test('a reader that does not read bounds what waits for it', async (t) => {
  const script = `
    import { LogStream } from ${JSON.stringify(new URL('log-stream.ts', observation).href)};
    import { writeSync } from 'node:fs';
    let dropped = 0;
    const stream = new LogStream({ onDrop: (lines) => (dropped += lines) });
    const line = 'x'.repeat(1023) + '\\n';
    for (let i = 0; i < 100 * 1024; i++) stream.write(line);
    writeSync(2, String(dropped));
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  await once(child, 'close');
  const dropped = Number(told);
  t.ok(dropped > 30 * 1024 && dropped < 40 * 1024, `${told} lines of 102400 were dropped`);
});

/** Waits turn by turn of the event loop until the condition holds, 5 seconds at most. */
async function eventually(condition: () => boolean): Promise<boolean> {
  const end = Date.now() + 5000;
  while (Date.now() < end) {
    if (condition()) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}
