/** Opens sockets; a name may lead to a private address only where the configuration says so. */
import { X509Certificate } from 'node:crypto';
import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, type OnReadOpts } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { isPublicAddress } from './public-address.ts';
import { bare, refused, type Targets } from './targets.ts';

/** All addresses of a name, as node:dns `lookup` with `all` gives them. */
export type Lookup = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface ConnectorOptions {
  readonly name: string;
  readonly targets: Targets;
  /** PEM, trusted beside the system's certificates. */
  readonly ca: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly lookup: Lookup | undefined;
  /** How its sockets read; into new memory each time unless told. */
  readonly onread?: OnReadOpts | undefined;
}

interface Connectors {
  readonly anywhere: buildConnector.connector;
  readonly publicOnly: buildConnector.connector;
}

/**
 * The connect function of the HTTP agent. What was checked is what is connected to: the socket takes the checked
 * addresses from the same lookup, so a name that changes its mind between two lookups (DNS rebinding) gains nothing.
 */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { name, targets, ca, timeout, onread } = options;
  const lookup: Lookup = options.lookup ?? systemLookup;
  const authorities = ca === undefined ? undefined : readAuthorities(ca);
  const build = (secureContext?: SecureContext): Connectors => {
    const shared = {
      ...(secureContext && { secureContext }),
      ...(onread && { onread }),
      timeout,
      allowH2: false,
    };
    return {
      anywhere: buildConnector({ ...shared, lookup: toSocketLookup(lookup) }),
      publicOnly: buildConnector({ ...shared, lookup: toSocketLookup(onlyPublic(name, lookup)) }),
    };
  };
  const plain = build();
  // All of the system's certificates are read for it: not before somebody speaks TLS, and once.
  let secure = authorities === undefined ? plain : undefined;

  return (target, callback) => {
    const port = target.port === '' ? (target.protocol === 'http:' ? '80' : '443') : target.port;
    const { anywhere, publicOnly } =
      target.protocol === 'http:' ? plain : (secure ??= build(trustToo(authorities ?? [])));
    if (targets.mayBePrivate(target.hostname, port)) {
      anywhere(target, callback);
      return;
    }
    const address = bare(target.hostname);
    // Sockets do not look literals up. The address guard refused private ones before; this is where it matters.
    if (isIP(address) !== 0 && !isPublicAddress(address)) {
      callback(refused(name, `expected a public address, got ${address}`), null);
      return;
    }
    publicOnly(target, callback);
  };
}

/**
 * Node takes anything for a certificate and trusts what it understood; a CA that it did not understand is a mistake.
 * @throws {Error} when the text holds no certificate, or one that is none.
 */
function readAuthorities(pem: string): readonly string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new TypeError('expected certificates in PEM');
  for (const block of blocks) new X509Certificate(block);
  return blocks;
}

function trustToo(authorities: readonly string[]): SecureContext {
  return createSecureContext({ ca: [...getCACertificates('default'), ...authorities] });
}

/** One private address among many is enough to refuse the name: which one is connected to is not ours to choose. */
function onlyPublic(name: string, lookup: Lookup): Lookup {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, addresses) => {
      const inside = error === null ? addresses.find((one) => !isPublicAddress(one.address)) : null;
      if (inside == null) callback(error, addresses);
      else {
        callback(
          refused(name, `expected public addresses for ${hostname}, got ${inside.address}`),
          [],
        );
      }
    });
  };
}

type SocketLookup = (
  hostname: string,
  options: LookupOptions,
  callback: (
    error: NodeJS.ErrnoException | null,
    address: string | LookupAddress[],
    family?: number,
  ) => void,
) => void;

/** Sockets ask for one address or for all of them. */
function toSocketLookup(lookup: Lookup): SocketLookup {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      // node:dns leaves the addresses out of a failure, whatever its types say.
      const first = error === null ? addresses[0] : undefined;
      if (first === undefined) callback(error ?? notFound(hostname), []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' });
}
