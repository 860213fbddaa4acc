/** Who stamps times in the lab: the real timestamp-server where it could be built, otherwise our own authority. */
import { createSigstore } from '../../helpers/sigstore/sigstore.ts';
import { startDaemon } from './process.ts';
import { startSigstoreServer } from './sigstore-server.ts';
import { findMissing, toolPath } from './tools.ts';

export interface Timestamps {
  readonly url: string;
  /** The signing certificate first, the root last. */
  readonly chainPem: string;
  stop(): Promise<void>;
}

/** Whether there is the real one. */
export const hasTimestampServer = findMissing(['timestamp-server']).length === 0;

/** For names of tests. */
export const timestampServerName = hasTimestampServer
  ? 'the real timestamp-server'
  : 'a stand-in for timestamp-server';

const host = '127.0.0.1';
const port = 3004;

/** The real one. Its keys live in its memory, as long as it does. */
export async function startTimestampServer(options: readonly string[] = []): Promise<Timestamps> {
  const url = `http://${host}:${port}/api/v1/timestamp`;
  const daemon = await startDaemon(
    'timestamp-server',
    toolPath('timestamp-server'),
    [
      ...['serve', '--host', host, '--port', String(port)],
      ...['--timestamp-signer', 'memory', '--disable-ntp-monitoring', ...options],
    ],
    { ready: async () => (await fetch(`${url}/certchain`)).ok },
  );
  return {
    url,
    chainPem: await (await fetch(`${url}/certchain`)).text(),
    stop: async () => {
      await daemon.stop();
    },
  };
}

/** One whose tokens carry the intermediate certificate too: Notation's trust stores hold roots alone. */
export async function startChainedTimestamps(): Promise<Timestamps> {
  if (hasTimestampServer) return startTimestampServer(['--include-chain-in-response']);
  const sigstore = createSigstore({ clock: Date.now });
  const { timestampAuthority } = sigstore;
  const { chain } = timestampAuthority;
  const embed = chain.slice(0, -1);
  const server = await startSigstoreServer({
    ...sigstore,
    timestampAuthority: {
      ...timestampAuthority,
      stampHash: (digest, hash, options) =>
        timestampAuthority.stampHash(digest, hash, { embed, ...options }),
    },
  });
  return {
    url: `${server.url}/api/v1/timestamp`,
    chainPem: chain.map(({ pem }) => pem).join(''),
    stop: () => server.close(),
  };
}
