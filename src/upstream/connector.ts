/** Opens sockets; a name may lead to a private address only where the configuration says so. */
import { X509Certificate } from 'node:crypto';
import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
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
}

/**
 * The connect function of the HTTP agent. What was checked is what is connected to: the socket takes the checked
 * addresses from the same lookup, so a name that changes its mind between two lookups (DNS rebinding) gains nothing.
 */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { name, targets, ca, timeout } = options;
  const lookup: Lookup = options.lookup ?? systemLookup;
  const shared = { ...(ca === undefined ? {} : trustToo(ca)), timeout, allowH2: false };
  const anywhere = buildConnector({ ...shared, lookup: toSocketLookup(lookup) });
  const publicOnly = buildConnector({
    ...shared,
    lookup: toSocketLookup(onlyPublic(name, lookup)),
  });

  return (target, callback) => {
    const port = target.port === '' ? (target.protocol === 'http:' ? '80' : '443') : target.port;
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
function trustToo(pem: string): { secureContext: SecureContext } {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new TypeError('expected certificates in PEM');
  for (const block of blocks) new X509Certificate(block);
  return {
    secureContext: createSecureContext({ ca: [...getCACertificates('default'), ...blocks] }),
  };
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
