/** A process that takes the folder it is told, says so, and holds it until it is killed. */
import { lockFolder } from '../../src/store/folder-lock.ts';

await lockFolder(process.argv[2] ?? '');
console.log('locked');
setInterval(() => undefined, 60_000);
