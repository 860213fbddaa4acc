/** Evidence is made where signatures are verified, and nowhere else. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

t.test('one file of verify alone proves evidence, after the signature matched', (t) => {
  const makers = globSync('**/*.ts', { cwd: src }).filter((file) =>
    /\bproveEvidence\b|as (?:unknown as )?(?:readonly )?Evidence\b/.test(
      readFileSync(`${src}${file}`, 'utf8'),
    ),
  );
  t.same(makers.sort(), ['policy/evidence.ts', 'verify/evidence.ts']);
  t.end();
});
