/**
 * An upstream answers a tag list with a status line that is none. The library that passes the list through answered
 * twice to it, and the second answer, thrown where nobody catches, ended the process.
 */
import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';

t.test('a status beyond 599 is an upstream that does not answer', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.end('HTTP/1.1 700 Odd\r\nContent-Length: 2\r\n\r\n{}');
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': { url: `http://127.0.0.1:${port}` } },
    policies: [{ match: ['lab.local/**'], insecureAcceptAnything: true }],
  });
  for (const path of ['tags/list', 'manifests/v1']) {
    t.equal((await proxy.get(`/v2/lab.local/team/app/${path}`)).status, 503, path);
  }
  t.equal((await proxy.get('/v2/')).status, 200);
});
