import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { lockFolder } from '../../src/store/folder-lock.ts';
import { filesBelow, openDescriptors } from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

async function holder(folder: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'hold-lock.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

t.test('a folder has one process at a time, which a kill ends as well as a release', async (t) => {
  const folder = testdir(t);
  const child = await holder(folder);
  const refusal = { name: 'StoreError', code: 'in-use', message: new RegExp(`${folder}.*stop`) };
  await t.rejects(lockFolder(folder), refusal);
  await t.rejects(openDiskBlobStore({ path: folder }), refusal);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = await lockFolder(folder);
  await t.rejects(lockFolder(folder), refusal, 'nor twice in one process');
  lock.release();
  lock.release();
  (await lockFolder(folder)).release();
  t.equal(openDescriptors(folder), 0);
});

t.test('a refused opening touches nothing of the process that has the folder', async (t) => {
  const folder = testdir(t, { v1: { tmp: { growing: 'half' } } });
  const lock = await lockFolder(folder);
  await t.rejects(openDiskBlobStore({ path: folder }), { code: 'in-use' });
  t.strictSame(filesBelow(folder), ['v1/tmp/growing']);
  lock.release();
});

t.test('a store has its folder until it is closed', async (t) => {
  const folder = testdir(t);
  const store = await openDiskBlobStore({ path: folder });
  await t.rejects(openDiskBlobStore({ path: folder }), { code: 'in-use' });
  await store.close();
  await (await openDiskBlobStore({ path: folder })).close();
});

t.test('a folder that is not there is made for its owner alone', async (t) => {
  const folder = join(testdir(t), 'deep', 'cache');
  (await lockFolder(folder)).release();
  t.equal(statSync(folder).mode & 0o777, 0o700);
});

t.test('a folder that cannot be used is named', async (t) => {
  const folder = testdir(t, { file: '' });
  const path = join(folder, 'file', 'below');
  await t.rejects(lockFolder(path), { code: 'storage-failed', message: /file.below/ });
  writeFileSync(join(folder, 'lock'), 'something else that lies there'.repeat(100));
  await t.rejects(lockFolder(folder), { code: 'storage-failed' });
});
