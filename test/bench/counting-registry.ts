/** A stand-in for a registry at a distance: it answers everything late, and counts requests and round trips. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFakeContent, type FakeContent } from '../helpers/fake-registry-content.ts';
import { send } from '../helpers/fake-registry-reply.ts';
import { answer } from '../helpers/fake-registry-routes.ts';

export interface Asked {
  readonly requests: number;
  /** The longest chain of requests of which each came after the answer to the one before it. */
  readonly roundTrips: number;
}

export interface CountingRegistry extends FakeContent {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** What was asked since this was last called. */
  asked(): Asked;
  close(): Promise<void>;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** @param delay milliseconds before each answer */
export async function startCountingRegistry(delay: number): Promise<CountingRegistry> {
  const content = createFakeContent(false);
  const switches = { referrersApi: true, referrersPageSize: undefined, headDigest: true };
  let spans: Span[] = [];
  const server = createServer((incoming, response) => {
    const start = performance.now();
    const { method = 'GET', url = '/', headers } = incoming;
    void sleep(delay).then(async () => {
      // Before it is sent, since the next request may be here before this one's end is noted.
      spans.push({ start, end: performance.now() });
      const reply = answer(content, switches, { method, url, headers, body: '' });
      await send(response, method, reply, undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ...content,
    host: `127.0.0.1:${port}`,
    asked() {
      const seen = spans;
      spans = [];
      return { requests: seen.length, roundTrips: longestChain(seen) };
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Taking whichever ends first, again and again, gives the longest chain of intervals that do not overlap. */
function longestChain(spans: readonly Span[]): number {
  let length = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, end } of spans.toSorted((a, b) => a.end - b.end)) {
    if (start < last) continue;
    length += 1;
    last = end;
  }
  return length;
}
