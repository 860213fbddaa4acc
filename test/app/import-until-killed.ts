/** A process that imports a bundle, and kills itself at one step of the disk's work if it is told which. */
import { pino } from 'pino';
import { openImportDesk } from '../../src/app/import-desk.ts';
import { importBundle } from '../../src/cli/import.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';

const [file = '', bundle = '', last = ''] = process.argv.slice(2);
let steps = 0;

/** Before the work and after it: a file that is renamed and not synced is another state than one that is not. */
async function around<T>(work: () => Promise<T>): Promise<T> {
  dieAtLast();
  const done = await work();
  dieAtLast();
  return done;
}

function dieAtLast(): void {
  if (steps++ === Number(last)) process.kill(process.pid, 'SIGKILL');
}

const io: DiskIo = {
  create: (path) => around(() => nodeDiskIo.create(path)),
  write: (fd, buffers, position) => around(() => nodeDiskIo.write(fd, buffers, position)),
  sync: (fd) => around(() => nodeDiskIo.sync(fd)),
  syncFolder: (path) => around(() => nodeDiskIo.syncFolder(path)),
  rename: (from, to) => around(() => nodeDiskIo.rename(from, to)),
  makeFolder: (path) => around(() => nodeDiskIo.makeFolder(path)),
  remove: (path) => around(() => nodeDiskIo.remove(path)),
};

async function* nothing(): AsyncGenerator<Buffer> {
  // Nothing comes.
}

console.log('started');
process.exitCode = await importBundle([bundle], {
  openDesk: () =>
    openImportDesk(loadConfig(file, { env: {} }), {
      ...{ logger: pino({ level: 'silent' }), input: nothing() },
      ...(last === '' ? {} : { io }),
    }),
  terminal: { isTty: false, columns: () => 80, write: () => undefined },
  io: { out: () => undefined, err: (line) => process.stderr.write(`${line}\n`) },
});
