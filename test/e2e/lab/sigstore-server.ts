/** A Sigstore instance on loopback: the stand-in for signers that insist on services, and `@sigstore/mock`. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  fulcioHandler,
  initializeCA,
  initializeCTLog,
  initializeTLog,
  initializeTSA,
  rekorHandler,
  tsaHandler,
} from '@sigstore/mock';
import { toPem } from '../../helpers/sigstore/key.ts';
import type { Sigstore } from '../../helpers/sigstore/sigstore.ts';
import { servicesOf, type Answer, type Question } from './sigstore-services.ts';

export interface SigstoreServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Paths that were asked, in order. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

type AnyService = (question: Question) => Answer | Promise<Answer>;

/** Serves the stand-in's Fulcio, Rekor and timestamp authority. */
export function startSigstoreServer(sigstore: Sigstore): Promise<SigstoreServer> {
  return serve(() => servicesOf(sigstore));
}

/** Keys and certificates of a `@sigstore/mock` instance, as an operator would have them: PEM, one by one. */
export interface MockSigstore extends SigstoreServer {
  readonly pems: {
    readonly certificateAuthority: string;
    readonly certificateLog: string;
    readonly transparencyLog: string;
    readonly timestampAuthority: string;
  };
  /** The origin of the log's checkpoints. */
  readonly origin: string;
}

/** Serves `@sigstore/mock`: made by the authors of sigstore-js for its tests. */
export async function startMockSigstore(): Promise<MockSigstore> {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificateLog = await initializeCTLog(pair());
  const authority = await initializeCA(pair(), certificateLog);
  const stamper = await initializeTSA(pair());
  let log: Awaited<ReturnType<typeof initializeTLog>> | undefined;
  const server = await serve(async (url) => {
    log = await initializeTLog(url, pair());
    const handlers = [fulcioHandler(authority), rekorHandler(log), tsaHandler(stamper)];
    return Object.fromEntries(
      handlers.map(({ path, fn }) => [
        path,
        async ({ body }: Question): Promise<Answer> => {
          const { statusCode, response, contentType = 'text/plain' } = await fn(body.toString());
          const bytes = typeof response === 'string' ? response : bytesOf(response);
          return { status: statusCode, type: contentType, body: bytes };
        },
      ]),
    );
  });
  const certificate = (der: ArrayBufferView): string => toPem('CERTIFICATE', bytesOf(der));
  return {
    ...server,
    origin: new URL(server.url).host,
    pems: {
      certificateAuthority: certificate(authority.rootCertificate),
      certificateLog: toPem('PUBLIC KEY', certificateLog.publicKey),
      transparencyLog: toPem('PUBLIC KEY', log?.publicKey ?? Buffer.alloc(0)),
      timestampAuthority:
        certificate(stamper.intCertificate) + certificate(stamper.rootCertificate),
    },
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

type Services = Readonly<Record<string, AnyService>>;

async function serve(
  servicesAt: (url: string) => Services | Promise<Services>,
): Promise<SigstoreServer> {
  const asked: string[] = [];
  let services: Services = {};
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    void answer(services, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  services = await servicesAt(url);
  return {
    url,
    asked,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const service = services[new URL(request.url ?? '/', 'http://localhost').pathname];
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  try {
    const answered: Answer | undefined = await service?.({ body: Buffer.concat(chunks), token });
    const { status, type, body, headers } = answered ?? {
      status: 404,
      type: 'text/plain',
      body: 'no such service',
    };
    response.writeHead(status, { 'content-type': type, ...headers }).end(body);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
  }
}
