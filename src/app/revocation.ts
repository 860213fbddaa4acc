/** Asking whether certificates of Notation signers were taken back: the way out, guarded, and what is kept of answers. */
import { join } from 'node:path';
import { Agent, request, type Dispatcher } from 'undici';
import type { Config } from '../config/config.ts';
import type { NotationRoot } from '../trust/notation-root.ts';
import { readWhole } from '../upstream/body.ts';
import { createConnector } from '../upstream/connector.ts';
import { toUpstreamError } from '../upstream/failure.ts';
import { createTargets } from '../upstream/targets.ts';
import { UpstreamError, type UpstreamErrorCode } from '../upstream/upstream.ts';
import { openAnswerCache } from '../verify/notation/revocation/answer-cache.ts';
import { UnreachableError, type FetchBytes } from '../verify/notation/revocation/fetch-bytes.ts';
import { createRevocationCheck } from '../verify/notation/revocation/revocation-check.ts';
import type { RevocationCheck } from '../verify/notation/revocation/revocation.ts';

export interface Revocation {
  /** @throws {SyntaxError} for a supplied list that cannot be read. */
  readonly check: (root: NotationRoot) => RevocationCheck;
  /** Ends when what is being asked is answered. */
  close(): Promise<void>;
}

/** Milliseconds until a connection must stand. */
const CONNECT_TIMEOUT = 2_000;

export function openRevocation({
  cache,
  offline = false,
}: {
  readonly cache: Pick<Config['cache'], 'path'>;
  readonly offline?: boolean;
}): Revocation {
  const answers = openAnswerCache(join(cache.path, 'revocation'));
  const checks = new Map<NotationRoot, RevocationCheck>();
  const agents: Agent[] = [];

  function create(root: NotationRoot): RevocationCheck {
    const { revocationLists } = root;
    return createRevocationCheck({ fetchBytes: wayOut(root), cache: answers, revocationLists });
  }

  function wayOut(root: NotationRoot): FetchBytes {
    if (offline) return askNobody;
    const agent = createAgent(root);
    agents.push(agent);
    return fetchBy(agent);
  }

  return {
    check(root) {
      const check = checks.get(root) ?? create(root);
      checks.set(root, check);
      return check;
    },
    async close() {
      await Promise.all(agents.map((agent) => agent.close()));
    },
  };
}

/** Certificates name the places, so only public addresses are reached, and private ones of hosts that the operator named. */
function createAgent({ name: rootName, privateHosts }: NotationRoot): Agent {
  // Refused addresses are told under it.
  const name = `the trust root ${rootName}`;
  const targets = createTargets({
    name,
    insecureHttp: true,
    privateHosts,
  });
  return new Agent({
    connect: createConnector({
      name,
      targets,
      ca: undefined,
      timeout: CONNECT_TIMEOUT,
      lookup: undefined,
    }),
  });
}

const askNobody: FetchBytes = () =>
  Promise.reject(new UnreachableError('the configuration says offline, so nobody is asked'));

/** Redirects are not followed: they are no 2xx. */
function fetchBy(dispatcher: Agent): FetchBytes {
  return async (url, { method, body, contentType, maxBytes, timeoutMs }) => {
    const { protocol } = new URL(url);
    if (protocol !== 'http:') throw new Error(`expected http, got ${protocol}`);
    const what = `${method} for its revocation`;
    try {
      const response = await request(url, {
        dispatcher,
        method,
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body }),
        ...(contentType === undefined ? {} : { headers: { 'content-type': contentType } }),
      });
      // A body that is given up must not end the process.
      response.body.on('error', () => undefined);
      requireSuccess(response);
      return await readWhole(response, maxBytes, what);
    } catch (error) {
      throw explain(error, what);
    }
  };
}

function requireSuccess({ statusCode, body }: Dispatcher.ResponseData): void {
  if (statusCode >= 200 && statusCode <= 299) return;
  body.destroy();
  const isBusy = statusCode >= 500 || statusCode === 408 || statusCode === 429;
  throw new UpstreamError(
    isBusy ? 'unreachable' : 'bad-response',
    `expected status 200, got ${statusCode}`,
  );
}

const PASSING: ReadonlySet<UpstreamErrorCode> = new Set(['unreachable', 'timeout', 'aborted']);

/** What the guards refuse they refuse later too; a place that is down may be up then. */
function explain(error: unknown, what: string): Error {
  const known = toUpstreamError(error, what);
  return PASSING.has(known.code) ? new UnreachableError(known.message, { cause: error }) : known;
}
