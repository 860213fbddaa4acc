/** What an operator writes who trusts identities: roots from one file and from loose PEMs, and rules for them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProxiedRegistry } from './proxy.ts';
import type { Instance } from './sigstore-instance.ts';
import type { MockSigstore } from './sigstore-server.ts';
import type { Identity } from './sigstore-signers.ts';

/** The rules by the first part of a repository's name; refusals have to mention them. */
export const keylessRules = {
  keyless: 'keyless releases',
  certified: 'certified releases',
  mocked: 'mocked releases',
  stamped: 'stamped releases',
} as const;

export type Area = keyof typeof keylessRules;

/** Writes all files that the configuration names, and gives the configuration. */
export function keylessConfig(
  folder: string,
  registry: ProxiedRegistry,
  instance: Instance,
  mock: MockSigstore,
  { issuer, subject }: Identity,
): string {
  mkdirSync(folder, { recursive: true });
  const { sigstore, timestamps, trustedRoot } = instance;
  const files = {
    'trusted_root.json': trustedRoot,
    'authority.pem': sigstore.intermediate.pem + sigstore.certificateRoot.pem,
    'timestamps.pem': timestamps.chainPem,
    'mock-authority.pem': mock.pems.certificateAuthority,
    'mock-certificates.pub': mock.pems.certificateLog,
    'mock-log.pub': mock.pems.transparencyLog,
    'mock-timestamps.pem': mock.pems.timestampAuthority,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const identities = `identities: [ { issuer: "${issuer}", subject: "${subject}" } ]`;
  const rule = (area: Area, signer: string) => `
  - name: ${keylessRules[area]}
    match: [ 'lab.local/${area}/**' ]
    require: { sigstore: { ${signer}, ${identities} } }
    tags: { refresh: 1h }`;
  const noLog = 'transparencyLog: 0, certificateTransparency: 0, timestamps: 1';
  return `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${folder}/var, maxSize: 1GiB }
upstreams:
  lab.local: { url: "http://${registry.host}", insecureHttp: true }
trustRoots:
  instance: { sigstore: { trustedRootFile: ./trusted_root.json } }
  private-pki:
    sigstore:
      certificateAuthorities: [ ./authority.pem ]
      timestampAuthorities: [ ./timestamps.pem ]
  mock:
    sigstore:
      certificateAuthorities: [ ./mock-authority.pem ]
      transparencyLogs: [ { keyFile: ./mock-log.pub, origin: "${mock.origin}" } ]
      certificateLogs: [ { keyFile: ./mock-certificates.pub } ]
      timestampAuthorities: [ ./mock-timestamps.pem ]
policies:${rule('keyless', 'trustRoot: instance')}${rule(
    'certified',
    `trustRoot: private-pki, ${noLog}`,
  )}${rule('mocked', 'trustRoot: mock')}${rule('stamped', 'trustRoot: mock, transparencyLog: 0')}
`;
}
