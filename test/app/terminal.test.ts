/** A person at a terminal: nothing of a password is shown, and no answer is no yes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { readWhole } from '../../src/app/key-desk.ts';
import { openTerminal } from '../../src/app/terminal.ts';
import { testdir } from '../helpers/testdir.ts';

function open(isTTY = true) {
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  const output = new PassThrough();
  output.setEncoding('utf8');
  let shown = '';
  output.on('data', (chunk: string) => (shown += chunk));
  return {
    terminal: openTerminal({ input, output }),
    type: (text: string) => input.write(text),
    shown: () => shown,
  };
}

t.test('a password is asked for and not shown', async (t) => {
  const { terminal, type, shown } = open();
  const asked = terminal.askPassword('own.key');
  type('hidden words\r');
  t.equal(await asked, 'hidden words');
  t.equal(shown(), 'password of own.key: \n');
  const second = terminal.askPassword('own.key');
  type('again\n');
  t.equal(await second, 'again');
});

t.test('only a yes is one', async (t) => {
  for (const [typed, agreed] of [
    ['y', true],
    ['YES', true],
    ['', false],
    ['n', false],
    ['yesterday', false],
  ] as const) {
    const { terminal, type } = open();
    const asked = terminal.confirm('sign it?');
    type(`${typed}\r`);
    t.equal(await asked, agreed, typed);
  }
});

t.test('breaking off is no answer', async (t) => {
  const { terminal, type } = open();
  const asked = terminal.askPassword('own.key');
  type('hid\x03');
  await t.rejects(asked, { message: 'broken off' });
});

t.test('without a terminal nobody is asked', async (t) => {
  const { terminal, shown } = open(false);
  t.equal(await terminal.askPassword('own.key'), undefined);
  t.equal(await terminal.confirm('sign it?'), undefined);
  t.equal(shown(), '');
});

t.test('a file is read whole, and no longer one', async (t) => {
  const file = join(testdir(t), 'key');
  writeFileSync(file, '0123456789');
  t.equal((await readWhole(file, 10)).toString(), '0123456789');
  await t.rejects(readWhole(file, 9), /at most 9 bytes/);
  await t.rejects(readWhole(`${file}.absent`, 9), { code: 'ENOENT' });
});
