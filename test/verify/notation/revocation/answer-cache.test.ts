/** The cache on disk: whole files or none, bounded, and no trouble when there is trouble. */
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAnswerCache } from '../../../../src/verify/notation/revocation/answer-cache.ts';
import { HOUR, NOW } from './made-revocation.ts';
import { testdir } from '../../../helpers/testdir.ts';

const answer = (text: string, at = NOW) => ({ bytes: Buffer.from(text), at });

t.test('what was kept is found, also by the next process', async (t) => {
  const folder = join(testdir(t), 'deep', 'revocation');
  const cache = openAnswerCache(folder);
  t.equal(await cache.find('a'), undefined);
  await cache.keep('a', answer('one'));
  await cache.keep('b', answer('two', NOW + HOUR));
  t.strictSame(await cache.find('a'), answer('one'));
  t.strictSame(await openAnswerCache(folder).find('b'), answer('two', NOW + HOUR));
  await cache.keep('a', answer('three', NOW + 1));
  t.strictSame(await cache.find('a'), answer('three', NOW + 1));
  t.equal(readdirSync(folder).length, 2);
  t.equal(statSync(folder).mode & 0o777, 0o700);
});

t.test('questions are no paths', async (t) => {
  const folder = testdir(t, { inside: {} });
  const cache = openAnswerCache(join(folder, 'inside'));
  await cache.keep('../outside', answer('x'));
  await cache.keep('http://a.example/../../b', answer('y'));
  t.strictSame(readdirSync(folder), ['inside']);
  t.ok(readdirSync(join(folder, 'inside')).every((name) => /^[0-9a-f]{64}$/.test(name)));
});

t.test('the oldest go when there are too many or they are too large', async (t) => {
  const few = openAnswerCache(testdir(t), { maxEntries: 2 });
  await few.keep('a', answer('one', NOW + 2));
  await few.keep('b', answer('two', NOW + 1));
  await few.keep('c', answer('three', NOW + 3));
  t.ok(await few.find('a'));
  t.equal(await few.find('b'), undefined);
  t.ok(await few.find('c'));

  const folder = testdir(t);
  const small = openAnswerCache(folder, { maxBytes: 10 });
  await small.keep('a', answer('12345', NOW + 1));
  await small.keep('b', answer('12345', NOW + 2));
  t.equal(readdirSync(folder).length, 2);
  await small.keep('c', answer('123456', NOW + 3));
  t.equal(await small.find('a'), undefined);
  t.equal(await small.find('b'), undefined);
  t.ok(await small.find('c'));
});

t.test('what a crash left behind is removed, and other files are let be', async (t) => {
  const folder = testdir(t, { '.work-0011': 'half', notes: 'mine' });
  await openAnswerCache(folder, { maxEntries: 1 }).keep('a', answer('one'));
  t.notOk(readdirSync(folder).includes('.work-0011'));
  t.ok(readdirSync(folder).includes('notes'));
  t.notOk(
    readdirSync(folder).some((name) => name.startsWith('.work-')),
    'nor is one of its own',
  );
});

t.test('a damaged file is whatever it is now: its reader will tell', async (t) => {
  const folder = testdir(t);
  const cache = openAnswerCache(folder);
  await cache.keep('a', answer('one'));
  const [name = ''] = readdirSync(folder);
  truncateSync(join(folder, name), 1);
  t.equal((await cache.find('a'))?.bytes.toString(), 'o');
  truncateSync(join(folder, name), 32 * 1024 * 1024 + 1);
  t.equal(await cache.find('a'), undefined, 'but not a huge one');
});

t.test('trouble with the disk is no trouble', async (t) => {
  const folder = testdir(t, { file: '' });
  const cache = openAnswerCache(join(folder, 'file', 'below'));
  await cache.keep('a', answer('one'));
  t.equal(await cache.find('a'), undefined);

  const later = join(folder, 'later');
  writeFileSync(later, '');
  const blocked = openAnswerCache(join(later, 'x'));
  await blocked.keep('a', answer('one'));
  rmSync(later);
  mkdirSync(later);
  await blocked.keep('a', answer('one'));
  t.ok(await blocked.find('a'), 'it begins again');
});
