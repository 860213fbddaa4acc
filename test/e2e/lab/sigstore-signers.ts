/** The signers who sign with certificates: cosign 2 and 3 and `@sigstore/sign`, against services of the lab. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleToJSON } from '@sigstore/bundle';
import { DSSEBundleBuilder, FulcioSigner, RekorWitness, TSAWitness } from '@sigstore/sign';
import { foreignKey } from '../../helpers/sigstore/key.ts';
import type { LeafOptions } from '../../helpers/sigstore/leaf.ts';
import { IN_TOTO } from '../../helpers/sigstore/signed.ts';
import type { Sigstore } from '../../helpers/sigstore/sigstore.ts';
import { BUNDLE_TYPE, statement } from '../../helpers/signer.ts';
import { digestOf } from './images.ts';
import { mustRun } from './process.ts';
import { fetchManifest, pushBlob, pushManifest } from './registry-client.ts';
import type { Registry } from './registry.ts';
import type { Instance } from './sigstore-instance.ts';
import { identityToken } from './sigstore-services.ts';
import type { Place } from './tamper.ts';
import { toolPath } from './tools.ts';

export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

export interface CertifiedOptions {
  /** Where to have it stamped; nowhere unless told. */
  readonly timestampUrl?: string;
  readonly leaf?: LeafOptions;
}

export interface CertificateSigners {
  /** Keyless: certificate of the hour, log of version 1, `.sig`. */
  cosign2(place: Place, who: Identity, instance: Instance): Promise<void>;
  /** Keyless: certificate of the hour, log of version 1 or 2, timestamp, bundle. */
  cosign3(place: Place, who: Identity, instance: Instance, log: 1 | 2): Promise<void>;
  /** A key with a certificate for it, no log, `.sig`. */
  certified2(place: Place, issuer: Sigstore, options?: CertifiedOptions): Promise<void>;
  /** A key with a certificate for it, no log, bundle. */
  certified3(place: Place, issuer: Sigstore, options?: CertifiedOptions): Promise<void>;
  /** `@sigstore/sign`, keyless, with an entry in the log of version 1 or with a timestamp alone. */
  signJs(place: Place, who: Identity, url: string, witness: 'log' | 'timestamp'): Promise<void>;
}

const password = 'throw-away';

export async function createCertificateSigners(
  folder: string,
  registry: Registry,
): Promise<CertificateSigners> {
  mkdirSync(folder, { recursive: true });
  const env = {
    COSIGN_PASSWORD: password,
    DOCKER_CONFIG: registry.dockerConfig,
    TUF_ROOT: join(folder, 'tuf'),
  };
  const key = join(folder, 'certified');
  const generate = ['generate-key-pair', '--output-key-prefix', key];
  await mustRun(toolPath('cosign 2'), generate, { env });
  let files = 0;
  const write = (text: string): string => {
    files += 1;
    const file = join(folder, `file-${files}`);
    writeFileSync(file, text);
    return file;
  };
  const imageOf = ({ repository, digest }: Place) => `${registry.host}/${repository}@${digest}`;
  const certificateFor = (issuer: Sigstore, options: LeafOptions = {}): readonly string[] => {
    const publicKey = foreignKey(readFileSync(`${key}.pub`, 'utf8'));
    const leaf = issuer.leaf({ key: publicKey, ...options });
    return ['--certificate', write(leaf.pem), '--certificate-chain', write(leaf.chainPem)];
  };
  const trusting = (sigstore: Sigstore) => ({
    SIGSTORE_ROOT_FILE: write(sigstore.certificateRoot.pem + sigstore.intermediate.pem),
    SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: write(sigstore.certificateLog.key.pem),
    SIGSTORE_REKOR_PUBLIC_KEY: write(sigstore.log.key.pem),
  });
  const common = ['sign', '--allow-http-registry', '-y'];

  return {
    cosign2: async (place, who, { sigstore, server }) => {
      const token = identityToken(who.issuer, who.subject);
      await mustRun(
        toolPath('cosign 2'),
        [
          ...[...common, '--identity-token', token],
          ...['--fulcio-url', server.url, '--rekor-url', server.url, imageOf(place)],
        ],
        {
          env: { ...env, ...trusting(sigstore) },
        },
      );
    },
    cosign3: async (place, who, { server, timestamps, trustedRoot }, log) => {
      const token = identityToken(who.issuer, who.subject);
      const services = {
        caUrls: [service(server.url, 1)],
        rekorTlogUrls: [service(server.url, log)],
        tsaUrls: [service(timestamps.url, 1)],
      };
      await mustRun(
        toolPath('cosign 3'),
        [
          ...[...common, '--identity-token', token, '--signing-config'],
          ...[write(signingConfig(services)), '--trusted-root'],
          ...[write(trustedRoot), imageOf(place)],
        ],
        { env },
      );
    },
    certified2: async (place, issuer, { timestampUrl, leaf } = {}) => {
      const stamp = timestampUrl === undefined ? [] : ['--timestamp-server-url', timestampUrl];
      const args = [...common, '--key', `${key}.key`, '--tlog-upload=false', ...stamp];
      await mustRun(
        toolPath('cosign 2'),
        [...args, ...certificateFor(issuer, leaf), imageOf(place)],
        { env: { ...env, ...trusting(issuer) } },
      );
    },
    certified3: async (place, issuer, { timestampUrl, leaf } = {}) => {
      const stamps = timestampUrl === undefined ? {} : { tsaUrls: [service(timestampUrl, 1)] };
      const config = ['--signing-config', write(signingConfig(stamps))];
      const args = [...common, '--key', `${key}.key`, ...config];
      await mustRun(
        toolPath('cosign 3'),
        [...args, ...certificateFor(issuer, leaf), imageOf(place)],
        { env },
      );
    },
    signJs: async (place, who, url, witness) => {
      const token = identityToken(who.issuer, who.subject);
      const signer = new FulcioSigner({
        fulcioBaseURL: url,
        identityProvider: { getToken: () => Promise.resolve(token) },
      });
      const witnesses = [
        // The mocked log keeps what it is shown, which for this kind of entry is what it should keep.
        witness === 'log'
          ? new RekorWitness({ rekorBaseURL: url, entryType: 'intoto' })
          : new TSAWitness({ tsaBaseURL: url }),
      ];
      const data = statement([{ digest: { sha256: place.digest.slice('sha256:'.length) } }]);
      const builder = new DSSEBundleBuilder({ signer, witnesses });
      const bundle = bundleToJSON(await builder.create({ data, type: IN_TOTO }));
      await attach(registry, place, Buffer.from(JSON.stringify(bundle)));
    },
  };
}

function service(url: string, majorApiVersion: number): object {
  return { url, majorApiVersion, validFor: { start: '2020-01-01T00:00:00Z' }, operator: 'lab' };
}

function signingConfig(services: object): string {
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    ...services,
    rekorTlogConfig: { selector: 'ANY' },
    tsaConfig: { selector: 'ANY' },
  });
}

/** Makes a bundle a referrer, found through the fallback tag `sha256-<hex>`. */
async function attach(registry: Registry, place: Place, bundle: Buffer): Promise<void> {
  const { repository, digest } = place;
  const subject = await fetchManifest(registry, repository, digest);
  const empty = Buffer.from('{}');
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: BUNDLE_TYPE,
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: await pushBlob(registry, repository, empty),
        size: empty.length,
      },
      layers: [
        {
          mediaType: BUNDLE_TYPE,
          digest: await pushBlob(registry, repository, bundle),
          size: bundle.length,
        },
      ],
      subject: { mediaType: subject.mediaType, digest, size: subject.bytes.length },
    }),
  );
  const pushed = await pushManifest(registry, repository, digestOf(manifest), manifest, mediaType);
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType, digest: pushed, size: manifest.length, artifactType: BUNDLE_TYPE }],
  };
  const bytes = Buffer.from(JSON.stringify(index));
  await pushManifest(registry, repository, digest.replace(':', '-'), bytes, index.mediaType);
}
