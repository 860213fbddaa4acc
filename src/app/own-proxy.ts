/** The proxy of a configuration: the one that runs on its cache, or one of the command's own until it ends. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PeerCertificate } from 'node:tls';
import type { Logger } from 'pino';
import { Agent, request, type Dispatcher } from 'undici';
import { startApp } from '../app.ts';
import type { Config, ListenConfig } from '../config/config.ts';
import type { Observer } from '../http/serving.ts';
import { StoreError } from '../store/store-error.ts';

export interface OwnProxy {
  /** Where its `/v2/` surface is, without a slash at its end. */
  readonly url: string;
  readonly dispatcher: Dispatcher;
  /** Whether it ran already, with rules that it has read by itself. */
  readonly isRunning: boolean;
  close(): Promise<void>;
}

/** Milliseconds in which a running proxy must say that it is there. */
const GREETING = 10_000;

const ANOTHER = 'ANOTHER_CERTIFICATE';

const nobody: Observer = {
  pull: () => undefined,
  blobServed: () => undefined,
  digestMismatch: () => undefined,
  request: () => undefined,
};

/**
 * Both decide by the same admission and fill the same cache.
 * @throws {StoreError} `in-use` when something has the cache that does not answer.
 */
export async function openOwnProxy(config: Config, logger: Logger): Promise<OwnProxy> {
  // Nobody else shall find it, and what it fetches is asked for by name.
  const listen = { host: '127.0.0.1', port: 0 };
  const own: Config = { ...config, listen, cache: { ...config.cache, prefetch: 0 } };
  try {
    const app = await startApp(own, { logger, observer: nobody });
    const dispatcher = new Agent();
    return {
      url: app.url,
      dispatcher,
      isRunning: false,
      async close() {
        await dispatcher.destroy();
        await app.close();
      },
    };
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'in-use')) throw error;
    return openRunning(config, error);
  }
}

async function openRunning({ listen, cache }: Config, cause: StoreError): Promise<OwnProxy> {
  const refuse = (why: string): StoreError =>
    new StoreError('in-use', `the cache ${cache.path} is in use, and ${why}`, cause);
  if (listen.port === 0) {
    throw refuse('listen.port is 0: with a port of its own the proxy that runs could be asked');
  }
  const url = urlOf(listen);
  const dispatcher = new Agent({ connect: await trusting(listen) });
  try {
    const { statusCode, body } = await request(`${url}/v2/`, {
      dispatcher,
      signal: AbortSignal.timeout(GREETING),
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
  } catch (error) {
    await dispatcher.destroy();
    if (isAnotherCertificate(error)) {
      throw refuse(
        `what answers at ${url} shows another certificate than listen.tls names: a proxy shows a new one from its next start on`,
      );
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse(`no proxy answers at ${url}: ${reason}`);
  }
  return { url, dispatcher, isRunning: true, close: () => dispatcher.destroy() };
}

/** OpenSSL's word for each way in which a chain does not lead to the certificate that is believed. */
function isAnotherCertificate(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === ANOTHER || /SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)/.test(code);
}

/** Where this machine reaches what listens there. */
function urlOf({ host, port, tls }: ListenConfig): string {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const name = near.includes(':') ? `[${near}]` : near;
  return `${tls === undefined ? 'http' : 'https'}://${name}:${port}`;
}

interface Trust {
  readonly ca?: string;
  readonly allowPartialTrustChain?: boolean;
  readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/** The very certificate of the configuration, whatever name and issuer it has. */
async function trusting({ tls }: ListenConfig): Promise<Trust> {
  if (tls === undefined) return {};
  const pem = await readFile(tls.certFile, 'utf8');
  const expected = new X509Certificate(pem).fingerprint256;
  return {
    ca: pem,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, { fingerprint256 }) =>
      fingerprint256 === expected
        ? undefined
        : Object.assign(new Error('expected another certificate'), { code: ANOTHER }),
  };
}
