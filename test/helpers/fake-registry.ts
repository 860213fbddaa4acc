/** An in-process OCI registry on loopback for tests: real HTTP, content by digest, and faults on demand. */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createFakeContent, type FakeContent } from './fake-registry-content.ts';
import { checkAuth, type FakeAuth } from './fake-registry-auth.ts';
import { answer, type FakeSwitches } from './fake-registry-routes.ts';
import {
  matches,
  send,
  type FakeReply,
  type FakeRequest,
  type FaultAction,
  type FaultMatch,
  type LoggedRequest,
} from './fake-registry-reply.ts';

export interface FakeRegistryOptions extends Partial<FakeSwitches> {
  /** Nobody is asked who they are unless told. */
  readonly auth?: FakeAuth;
  /** Keeps `sha256-<hex>` index tags for manifests with a `subject`, as cosign does without a referrers API. */
  readonly fallbackTags?: boolean;
  /** Serves HTTPS with the test certificate; clients trust {@link testCertificate}. */
  readonly tls?: boolean;
  /** The address to listen on; 127.0.0.1 unless told. */
  readonly hostname?: string;
}

export interface FakeRegistry extends FakeContent {
  /** `http://127.0.0.1:port`, without a slash at its end. */
  readonly url: string;
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly LoggedRequest[];
  /** Changes of mind while it runs. */
  readonly switches: FakeSwitches;
  auth: FakeAuth;
  /** Spoils the answers to matching requests, at most `times` of them; newest fault first. Returns its removal. */
  fault(match: FaultMatch, action: FaultAction, options?: { times?: number }): () => void;
  /** Requests whose `METHOD url` matches. */
  asked(pattern: RegExp): readonly LoggedRequest[];
  clearRequests(): void;
  /** Ends all connections, stalled ones too. */
  close(): Promise<void>;
}

interface Fault {
  readonly match: FaultMatch;
  readonly action: FaultAction;
  left: number;
}

const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');

/** PEM of the certificate that `tls: true` presents, for `localhost`, `registry.test`, 127.0.0.1 and ::1. */
export function testCertificate(): string {
  return fixture('test-only-certificate.pem');
}

/** Starts a registry on a free port. */
export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const content = createFakeContent(options.fallbackTags ?? false);
  const requests: (LoggedRequest & { status: number })[] = [];
  const faults: Fault[] = [];
  const server =
    options.tls === true
      ? createHttpsServer({ cert: testCertificate(), key: fixture('test-only-key.pem') })
      : createHttpServer();
  const host = await listen(server, options.hostname ?? '127.0.0.1');
  const url = `${options.tls === true ? 'https' : 'http'}://${host}`;
  const registry: FakeRegistry = {
    ...content,
    url,
    host,
    requests,
    auth: options.auth ?? { kind: 'none' },
    switches: {
      referrersApi: options.referrersApi ?? false,
      referrersPageSize: options.referrersPageSize,
      headDigest: options.headDigest ?? true,
    },
    fault(match, action, { times = Infinity } = {}) {
      const fault = { match, action, left: times };
      faults.unshift(fault);
      return () => {
        fault.left = 0;
      };
    },
    asked: (pattern) => requests.filter((one) => pattern.test(`${one.method} ${one.url}`)),
    clearRequests: () => {
      requests.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };

  function reply(request: FakeRequest): FakeReply {
    const { pathname } = new URL(request.url, url);
    if (pathname === '/token' && registry.auth.kind === 'bearer') {
      return registry.auth.issuer.answer(request);
    }
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|referrers|tags)\//.exec(pathname)?.[1];
    return (
      checkAuth(registry.auth, request, repository ?? '', `${url}/token`) ??
      answer(content, registry.switches, request)
    );
  }

  server.on('request', (incoming, response) => {
    void read(incoming).then(async (request) => {
      const logged = { ...request, status: 0 };
      requests.push(logged);
      const fault = faults.find((one) => one.left > 0 && matches(one.match, request));
      if (fault !== undefined) fault.left -= 1;
      await send(response, request.method, reply(request), fault?.action);
      if (response.headersSent) logged.status = response.statusCode;
    });
  });
  return registry;
}

async function read(incoming: IncomingMessage): Promise<FakeRequest> {
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += String(chunk);
  const { method = 'GET', url = '/', headers } = incoming;
  return { method, url, headers, body };
}

async function listen(server: Server, hostname: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, hostname, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return `${hostname.includes(':') ? `[${hostname}]` : hostname}:${address.port}`;
}
