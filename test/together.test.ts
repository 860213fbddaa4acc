/** No test file is forgotten, and none runs twice. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ALONE, filesOf, find, GROUPS, TESTS } from './together/groups.ts';

t.test('every test file runs in one group, or alone', async (t) => {
  const grouped = Object.values(GROUPS).flatMap(filesOf);
  t.strictSame(
    [...grouped, ...find(ALONE)].sort(),
    find(['**/*'], ['{e2e,together}/**/*']),
    'all files, each once',
  );
});

t.test('tap runs the file of each group, and those that run alone', async (t) => {
  t.strictSame(
    find(['together/*']),
    Object.keys(GROUPS)
      .map((name) => `together/${name}.test.ts`)
      .sort(),
  );
  const manifest = readFileSync(join(TESTS, '../package.json'), 'utf8');
  const { scripts } = JSON.parse(manifest) as { readonly scripts: { readonly test: string } };
  for (const pattern of ['together/*', ...ALONE]) {
    t.ok(scripts.test.includes(`"test/${pattern}.test.ts"`), pattern);
  }
});
