/** Where an upstream's configuration lets a request go. */
import t from 'tap';
import { createConnector, type Lookup } from '../../src/upstream/connector.ts';
import { createTargets, type Targets } from '../../src/upstream/targets.ts';
import { UpstreamError } from '../../src/upstream/upstream.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';

const HTTPS_URL = new URL('https://registry.test');

const HTTPS = createTargets({
  name: 'registry.test',
  url: HTTPS_URL,
  insecureHttp: false,
  privateHosts: ['10.1.1.1', 'blobs.test:9000', '[fd00::1]:5000'],
});

const HTTP = createTargets({
  name: 'lab.test',
  url: new URL('http://127.0.0.1:5000'),
  insecureHttp: true,
  privateHosts: ['127.0.0.1:5001'],
});

function allows(targets: Targets, url: string): boolean {
  try {
    targets.check(new URL(url));
    return true;
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'refused-target') return false;
    throw error;
  }
}

t.test('refuses private address literals, however they are spelled', (t) => {
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
    '127.0.0.1.',
    '0',
    '169.254.169.254',
    '10.0.0.1',
    '192.168.0.1',
    '172.16.0.1',
    '100.64.0.1',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[fe80::1]',
    '[fd00::1]',
    '[64:ff9b::10.0.0.1]',
  ]) {
    t.equal(allows(HTTPS, `https://${host}/`), false, host);
  }
  t.equal(allows(HTTPS, 'https://1.1.1.1/'), true);
  t.equal(allows(HTTPS, 'https://[2606:4700:4700::1111]/'), true);
  t.equal(allows(HTTPS, 'https://cdn.test/'), true);
  t.end();
});

t.test('private hosts are allowed at the ports they are configured with', (t) => {
  t.equal(allows(HTTPS, 'https://10.1.1.1/'), true);
  t.equal(allows(HTTPS, 'https://10.1.1.1:22/'), false);
  t.equal(allows(HTTPS, 'https://[fd00::1]:5000/'), true);
  t.equal(allows(HTTPS, 'https://[fd00::1]:5001/'), false);
  t.equal(HTTPS.mayBePrivate('registry.test', '443'), true);
  t.equal(HTTPS.mayBePrivate('registry.test', '8443'), false);
  t.equal(HTTPS.mayBePrivate('blobs.test', '9000'), true);
  t.equal(HTTPS.mayBePrivate('blobs.test', '443'), false);
  t.end();
});

t.test('plain HTTP is for configured hosts of an upstream that is plain HTTP itself', (t) => {
  t.equal(allows(HTTPS, 'http://registry.test/'), false);
  t.equal(allows(HTTPS, 'http://blobs.test:9000/'), false);
  t.equal(allows(HTTPS, 'http://cdn.test/'), false);
  t.equal(allows(HTTPS, 'ftp://cdn.test/'), false);
  t.equal(allows(HTTP, 'http://127.0.0.1:5000/'), true);
  t.equal(allows(HTTP, 'http://127.0.0.1:5001/'), true);
  t.equal(allows(HTTP, 'http://127.0.0.1:5002/'), false);
  t.equal(allows(HTTP, 'http://cdn.test/'), false);
  t.equal(allows(HTTP, 'https://cdn.test/'), true);
  const careful = { name: 'x', url: new URL('http://a.test'), insecureHttp: false };
  t.equal(allows(createTargets({ ...careful, privateHosts: [] }), 'http://a.test/'), false);
  t.end();
});

t.test('without an upstream, private hosts are all that is allowed', (t) => {
  const targets = createTargets({
    name: 'the trust root vendor',
    insecureHttp: true,
    privateHosts: ['pki.corp.test'],
  });
  t.ok(targets.mayBePrivate('pki.corp.test', '80'));
  for (const host of ['', 'revocation.invalid', 'undefined', 'localhost']) {
    t.notOk(targets.mayBePrivate(host, '80'), host);
  }
  t.end();
});

t.test('refuses a private host that is no host', (t) => {
  for (const host of ['a/b', 'https://a', 'user@a', '', 'a:b']) {
    t.throws(
      () => createTargets({ name: 'x', url: HTTPS_URL, insecureHttp: false, privateHosts: [host] }),
      TypeError,
      host,
    );
  }
  t.end();
});

t.test('the connector looks at addresses itself', async (t) => {
  const registry = await openFakeRegistry(t);
  const port = registry.host.slice(registry.host.indexOf(':') + 1);
  let lookups = 0;

  /** Connects to a name that resolves to the addresses, one set for each lookup. */
  async function connect(hostname: string, ...answers: string[][]): Promise<string> {
    const lookup: Lookup = (_name, _options, callback) => {
      const answer = answers[Math.min(lookups, answers.length - 1)] ?? [];
      lookups += 1;
      callback(
        null,
        answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    };
    lookups = 0;
    const open = createConnector({
      name: 'x',
      targets: HTTPS,
      ca: undefined,
      timeout: 500,
      lookup,
    });
    return new Promise((resolve) => {
      open({ hostname, port, protocol: 'http:' }, (error, socket) => {
        socket?.destroy();
        const refused = error instanceof UpstreamError && error.code === 'refused-target';
        resolve(error === null ? 'connected' : refused ? 'refused' : error.message);
      });
    });
  }

  t.equal(await connect('127.0.0.1'), 'refused', 'a literal');
  t.equal(await connect('[::1]'), 'refused', 'a bracketed literal');
  t.equal(lookups, 0);
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '169.254.169.254']) {
    t.equal(await connect('cdn.test', [address]), 'refused', address);
  }
  t.equal(await connect('cdn.test', ['1.1.1.1', '127.0.0.1']), 'refused', 'one among others');
  t.match(await connect('cdn.test', []), /no address for cdn\.test/);
  t.equal(registry.requests.length, 0);
});

t.test('a name is looked up once, so a second answer is never used', async (t) => {
  const registry = await openFakeRegistry(t);
  const port = registry.host.slice(registry.host.indexOf(':') + 1);
  const asked: string[] = [];
  const lookup: Lookup = (hostname, _options, callback) => {
    asked.push(hostname);
    // A public address that nobody has first; whoever looked again would get loopback, where somebody listens.
    callback(null, [
      asked.length === 1 ? { address: '3ffe::1', family: 6 } : { address: '127.0.0.1', family: 4 },
    ]);
  };
  const open = createConnector({ name: 'x', targets: HTTPS, ca: undefined, timeout: 100, lookup });
  const error = await new Promise((resolve) => {
    open({ hostname: 'rebind.test', port, protocol: 'http:' }, (error, socket) => {
      socket?.destroy();
      resolve(error);
    });
  });
  t.type(error, Error);
  t.notOk(error instanceof UpstreamError, 'it was let through to the first address');
  t.same(asked, ['rebind.test']);
  t.equal(registry.requests.length, 0);
});

t.test('a configured host may resolve to a private address', async (t) => {
  const registry = await openFakeRegistry(t);
  const port = registry.host.slice(registry.host.indexOf(':') + 1);
  const targets = createTargets({
    name: 'x',
    url: new URL(`http://registry.test:${port}`),
    insecureHttp: true,
    privateHosts: [],
  });
  const lookup: Lookup = (_name, _options, callback) => {
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const open = createConnector({ name: 'x', targets, ca: undefined, timeout: 500, lookup });
  const error = await new Promise((resolve) => {
    open({ hostname: 'registry.test', port, protocol: 'http:' }, (error, socket) => {
      socket?.destroy();
      resolve(error);
    });
  });
  t.equal(error, null);
});
