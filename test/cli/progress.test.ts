import t from 'tap';
import { createProgress } from '../../src/cli/progress.ts';

const ROW = { digest: undefined, size: 1, reasons: [] } as const;

function open(isTty: boolean, columns = 80, rows = 24) {
  const shown: string[] = [];
  const state = { now: 0 };
  const terminal = {
    isTty,
    columns: () => columns,
    rows: () => rows,
    write: (text: string) => void shown.push(text),
  };
  const progress = createProgress(terminal, () => state.now);
  return { shown, state, progress };
}

t.test('a terminal that does not know its size has one', async (t) => {
  const { shown, state, progress } = open(true, 0, 0);
  for (const name of ['one', 'two']) progress.begun(name);
  state.now = 100;
  progress.bytes('one', 512, 1024);
  const [first = ''] = shown;
  t.match(first.split('\n')[0], /^one {2,}\[#{10} {10}\] {2}50 % {2}512 B of 1\.00 KiB$/);
  t.match(first, /\ntwo/);
});

t.test('bars: a line for each image, one for all, none wider than the terminal', async (t) => {
  const { shown, state, progress } = open(true);
  progress.count(3);
  progress.begun('lab.local/team/app:v1');
  progress.begun(`lab.local/${'long/'.repeat(30)}app:v2`);
  t.strictSame(shown, [], 'not more often than ten times a second');
  state.now = 100;
  progress.bytes('lab.local/team/app:v1', 512, 1024);
  const [first = ''] = shown;
  const lines = first.trimEnd().split('\n');
  t.equal(lines.length, 3);
  t.match(lines[0], /^lab.local\/team.* \[#{10} {10}\] {2}50 % {2}512 B of 1\.00 KiB$/);
  t.match(lines[1], /^….*looking$/);
  t.match(lines[2], /^0 of 3 images, 0 B fetched, 512 B in progress$/);
  for (const line of lines) t.ok(line.length < 80, line);
  state.now = 200;
  progress.ended({ ...ROW, reference: 'lab.local/team/app:v1', outcome: 'refused', fetched: 7 });
  t.ok(shown[1]?.startsWith('\u001b[3F\u001b[J…'), 'the last picture is replaced');
  t.match(shown[1], /\n1 of 3 images, 1 refused, 7 B fetched/);
  progress.end();
  t.equal(shown[2], '\u001b[2F\u001b[J', 'nothing of it stays');
});

t.test('no more lines than the terminal has', async (t) => {
  const { shown, state, progress } = open(true, 80, 5);
  for (let number = 0; number < 9; number++) progress.begun(`image ${number}`);
  state.now = 100;
  progress.tick();
  t.equal(shown[0]?.trimEnd().split('\n').length, 4);
  t.match(shown[0], /, 6 more\n$/);
});

t.test('elsewhere a line now and then', async (t) => {
  const { shown, state, progress } = open(false);
  progress.count(2);
  progress.begun('a');
  for (const now of [100, 4_999, 5_000, 5_100, 10_000]) {
    state.now = now;
    progress.tick();
  }
  progress.ended({ ...ROW, reference: 'a', outcome: 'failed', fetched: 2048 });
  state.now = 15_000;
  progress.tick();
  progress.end();
  t.strictSame(shown, [
    '0 of 2 images, 0 B fetched, 0 B in progress\n',
    '0 of 2 images, 0 B fetched, 0 B in progress\n',
    '1 of 2 images, 1 failed, 2.00 KiB fetched, 0 B in progress\n',
  ]);
});
