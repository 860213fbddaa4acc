/** A TUF repository on loopback whose content, keys and expiry a test changes as it goes. */
import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from '@sigstore/core';
import type { Test } from 'tap';
import { createKey, type TestKey } from './sigstore/key.ts';

export interface TufServer {
  readonly url: string;
  /** Version 1 of `root.json`. */
  readonly initialRoot: Buffer;
  /** Paths in the order in which they were asked for. */
  readonly asked: readonly string[];
  /** Signs new targets, snapshot and timestamp, all of the next version unless told. */
  publish(targets: Readonly<Record<string, string>>, options?: PublishOptions): void;
  /** The next root metadata: other keys, signed by the old and the new. */
  rotateKeys(): void;
  /** Serves other bytes in the place of what was published. */
  replace(path: RegExp, content: Buffer | 'hang' | 500): void;
  /** Serves what was published again; who was left hanging is cut off. */
  restore(): void;
  /** No connection succeeds any more. */
  stop(): Promise<void>;
}

export interface PublishOptions {
  readonly version?: number;
  readonly expires?: string;
  /** Signs with a key that the root does not name. */
  readonly signer?: TestKey;
}

const FOREVER = '2999-01-01T00:00:00Z';

export async function startTufServer(t: Test): Promise<TufServer> {
  const files = new Map<string, Buffer>();
  const replaced: { readonly path: RegExp; readonly content: Buffer | 'hang' | 500 }[] = [];
  const asked: string[] = [];
  const hanging = new Set<ServerResponse>();
  let key = createKey('ed25519');
  let rootVersion = 0;
  let version = 0;

  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const other = replaced.findLast((one) => one.path.test(path))?.content;
    if (other === 'hang') {
      hanging.add(response);
      return;
    }
    const content = other ?? files.get(path);
    response.writeHead(content === 500 ? 500 : content === undefined ? 404 : 200);
    response.end(content === 500 ? '' : content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => {
        resolve();
      });
    });
  t.teardown(stop);

  const put = (path: string, signed: object, signers: readonly TestKey[]): Buffer => {
    const bytes = metadata(signed, signers);
    files.set(path, bytes);
    return bytes;
  };
  const rotateKeys = (): void => {
    const old = rootVersion === 0 ? [] : [key];
    if (rootVersion > 0) key = createKey('ed25519');
    rootVersion++;
    put(`/${rootVersion}.root.json`, rootOf(key, rootVersion), [...old, key]);
  };
  rotateKeys();

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    initialRoot: files.get('/1.root.json') ?? Buffer.alloc(0),
    asked,
    rotateKeys,
    replace: (path, content) => {
      replaced.push({ path, content });
    },
    restore: () => {
      replaced.length = 0;
      for (const response of hanging) response.destroy();
    },
    stop,
    publish(targets, options = {}) {
      version = options.version ?? version + 1;
      const signers = [options.signer ?? key];
      const common = { version, spec_version: '1.0.31', expires: options.expires ?? FOREVER };
      const list = Object.entries(targets).map(([name, text]) => {
        const content = Buffer.from(text);
        const sha256 = createHash('sha256').update(content).digest('hex');
        files.set(`/targets/${sha256}.${name}`, content);
        return [name, { length: content.length, hashes: { sha256 } }];
      });
      put(
        `/${version}.targets.json`,
        { _type: 'targets', ...common, targets: Object.fromEntries(list) as object },
        signers,
      );
      const targetsMeta = { 'targets.json': { version } };
      put(
        `/${version}.snapshot.json`,
        { _type: 'snapshot', ...common, meta: targetsMeta },
        signers,
      );
      const snapshotMeta = { 'snapshot.json': { version } };
      put('/timestamp.json', { _type: 'timestamp', ...common, meta: snapshotMeta }, signers);
    },
  };
}

const keyId = ({ spki }: TestKey): string => createHash('sha256').update(spki).digest('hex');

function rootOf(key: TestKey, version: number): object {
  const role = { keyids: [keyId(key)], threshold: 1 };
  const value = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: key.spki.subarray(-32).toString('hex') },
  };
  return {
    _type: 'root',
    version,
    spec_version: '1.0.31',
    expires: FOREVER,
    consistent_snapshot: true,
    keys: { [keyId(key)]: value },
    roles: { root: role, targets: role, snapshot: role, timestamp: role },
  };
}

function metadata(signed: object, signers: readonly TestKey[]): Buffer {
  // Canonical JSON as RFC 8785 has it, which is the one of TUF as long as no text needs escapes.
  const data = Buffer.from(json.canonicalize(signed));
  const signatures = signers.map((key) => ({
    keyid: keyId(key),
    sig: key.sign(data).toString('hex'),
  }));
  return Buffer.from(JSON.stringify({ signed, signatures }));
}
