/** The same trust twice: what an operator writes for Countersign, and what `notation verify` is given. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notationTrusting, type Notation } from './notation-folder.ts';
import { releaseIdentity, type NotationSigners } from './notation-signers.ts';
import type { ProxiedRegistry } from './proxy.ts';

/** The rules by the first part of a repository's name; refusals have to mention them. */
export const notationRules = {
  vendor: 'vendor releases',
  stamped: 'stamped releases',
  production: 'production releases',
} as const;

export type NotationArea = keyof typeof notationRules;

/** User metadata that signatures of `production` carry. */
export const productionMetadata = 'stage=production';

/** The upstream under a second name, from which everything is served: there `notation` judges for itself. */
export const openUpstream = 'open.local';

type Trust = Pick<NotationSigners, 'ca' | 'tsa'>;

/** Writes all files that the configuration names, and gives the configuration. */
export function notationConfig(folder: string, registry: ProxiedRegistry, trust: Trust): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ca.pem'), trust.ca);
  writeFileSync(join(folder, 'tsa.pem'), trust.tsa);
  const upstream = `{ url: "http://${registry.host}", insecureHttp: true }`;
  const rule = (area: NotationArea, trustRoot: string, more = '') => `
  - name: ${notationRules[area]}
    match: [ 'lab.local/${area}/**' ]
    require:
      notation: { trustRoot: ${trustRoot}, identities: [ '${releaseIdentity}' ]${more} }
    tags: { refresh: 1h }`;
  const [key = '', value = ''] = productionMetadata.split('=');
  return `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${folder}/var, maxSize: 1GiB }
upstreams:
  lab.local: ${upstream}
  ${openUpstream}: ${upstream}
trustRoots:
  vendor: { notation: { ca: [ ./ca.pem ] } }
  stamped-vendor: { notation: { ca: [ ./ca.pem ], tsa: [ ./tsa.pem ] } }
policies:
  - name: everything, for notation to judge
    match: [ '${openUpstream}/**' ]
    insecureAcceptAnything: true${rule('vendor', 'vendor')}${rule('stamped', 'stamped-vendor')}${rule(
      'production',
      'vendor',
      `, annotations: { ${key}: ${value} }`,
    )}
`;
}

/** Asks `notation verify` about an image, under the trust that the area's rule has. */
export type VerifyNotation = (area: NotationArea, reference: string) => ReturnType<Notation>;

export function notationVerifier(folder: string, { ca, tsa }: Trust): VerifyNotation {
  const identities = [releaseIdentity];
  const plain = notationTrusting(join(folder, 'plain'), { ca, identities });
  const stamped = notationTrusting(join(folder, 'stamped'), { ca, tsa, identities });
  return (area, reference) =>
    (area === 'stamped' ? stamped : plain)(
      ...['verify', '--insecure-registry', '--verbose'],
      ...(area === 'production' ? ['--user-metadata', productionMetadata] : []),
      reference,
    );
}
