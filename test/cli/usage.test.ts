/** What is printed of one command. */
import t from 'tap';
import { USAGE, usageOf } from '../../src/cli/usage.ts';

t.test('a command has its own lines, and the one about the configuration', async (t) => {
  const mirror = usageOf('mirror');
  t.match(
    mirror,
    /^countersign: .*\n\n {2}countersign mirror REF_OR_LIST…[\s\S]* when interrupted\n\n/,
  );
  t.match(mirror, /\n\nWithout --config .*$/);
  t.notMatch(mirror, /countersign (?:export|serve)/);
  t.match(usageOf('import'), /--dry-run[\s\S]*--extract DIR/);
  t.match(usageOf('cache'), /stats[\s\S]*scrub[\s\S]*gc/);
});

t.test('every line is of one command or of all', async (t) => {
  const lines = USAGE.split('\n').filter((line) => line !== '');
  const commands = new Set(lines.map((line) => /^ {2}countersign (\S+)/.exec(line)?.[1]));
  const told = [...commands].flatMap((one) => (one === undefined ? [] : usageOf(one).split('\n')));
  t.strictSame(
    lines.filter((line) => !told.includes(line)),
    [],
  );
  for (const none of [undefined, '', 'mirrors', '--config']) t.equal(usageOf(none), USAGE);
});
