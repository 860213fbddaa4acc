/** Listens on the port that it is given and stops itself before it takes a connection: soon the kernel drops new ones. */
import { createServer } from 'node:net';

createServer().listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 1 }, () => {
  process.stdout.write('listening\n', () => {
    process.kill(process.pid, 'SIGSTOP');
  });
});
