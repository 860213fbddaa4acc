/** A whole Sigstore instance on loopback, with the real timestamp-server where it could be built. */
import { createSigstore, type Sigstore } from '../../helpers/sigstore/sigstore.ts';
import { startSigstoreServer, type SigstoreServer } from './sigstore-server.ts';
import { hasTimestampServer, startTimestampServer, type Timestamps } from './timestamp-server.ts';

export interface Instance {
  readonly sigstore: Sigstore;
  readonly server: SigstoreServer;
  readonly timestamps: Timestamps;
  /** `trusted_root.json` of all of it. */
  readonly trustedRoot: string;
  stop(): Promise<void>;
}

/** @param timestamps who stamps its signatures; a new authority unless told. */
export async function startInstance(timestamps?: Timestamps): Promise<Instance> {
  const sigstore = createSigstore({ clock: Date.now });
  const server = await startSigstoreServer(sigstore);
  const own =
    timestamps ?? (hasTimestampServer ? await startTimestampServer() : standIn(sigstore, server));
  const certificates = own.chainPem
    .split(/-----(?:BEGIN|END) CERTIFICATE-----/)
    .filter((_, index) => index % 2 === 1)
    .map((base64) => ({ rawBytes: base64.replaceAll(/\s/g, '') }));
  const timestampAuthority = {
    subject: { organization: 'lab', commonName: 'timestamps' },
    uri: own.url,
    certChain: { certificates },
    validFor: { start: '2020-01-01T00:00:00Z' },
  };
  return {
    sigstore,
    server,
    timestamps: own,
    trustedRoot: JSON.stringify(
      sigstore.trustedRootJson({ timestampAuthorities: [timestampAuthority] }),
    ),
    stop: async () => {
      if (timestamps === undefined) await own.stop();
      await server.close();
    },
  };
}

function standIn(sigstore: Sigstore, server: SigstoreServer): Timestamps {
  return {
    url: `${server.url}/api/v1/timestamp`,
    chainPem: sigstore.timestampAuthority.chain.map(({ pem }) => pem).join(''),
    stop: () => Promise.resolve(),
  };
}
