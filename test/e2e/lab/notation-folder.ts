/** Configuration folders of the real `notation`: signing keys, or trust stores with a trust policy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chainOf, type Signer } from '../../helpers/notation/certificate.ts';
import { run, type Finished } from './process.ts';
import { toolPath } from './tools.ts';

/** The program with a configuration of its own. */
export type Notation = (...args: readonly string[]) => Promise<Finished>;

/** With keys by these names, each with its certificates up to the root. */
export function notationWithKeys(
  folder: string,
  signers: Readonly<Record<string, Signer>>,
): Notation {
  const notation = open(folder);
  const keys = Object.entries(signers).map(([name, signer]) => ({
    name,
    keyPath: notation.write(
      `keys/${name}.key`,
      signer.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ),
    certPath: notation.write(
      `keys/${name}.pem`,
      chainOf(signer)
        .map(({ pem }) => pem)
        .join(''),
    ),
  }));
  // `notation key add` only takes keys of plugins; keys in files are what its configuration has.
  notation.write('signingkeys.json', JSON.stringify({ keys }));
  return notation.run;
}

export interface NotationTrust {
  /** PEM. */
  readonly ca: string;
  /** PEM of a timestamp authority's root; no timestamps are demanded unless told. */
  readonly tsa?: string;
  readonly identities: readonly string[];
}

/** With a trust policy for every repository. */
export function notationTrusting(folder: string, { ca, tsa, identities }: NotationTrust): Notation {
  const notation = open(folder);
  const store = (kind: string, pem: string): string => {
    notation.write(`truststore/x509/${kind}/vendor/root.pem`, pem);
    return `${kind}:vendor`;
  };
  const policy = {
    name: 'vendor',
    registryScopes: ['*'],
    signatureVerification: { level: 'strict' },
    trustStores: [store('ca', ca), ...(tsa === undefined ? [] : [store('tsa', tsa)])],
    trustedIdentities: identities,
  };
  notation.write('trustpolicy.json', JSON.stringify({ version: '1.0', trustPolicies: [policy] }));
  return notation.run;
}

function open(folder: string) {
  const env = { XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') };
  return {
    write: (name: string, text: string): string => {
      const file = join(folder, 'notation', name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    },
    run: (...args: readonly string[]) => run(toolPath('notation'), args, { env }),
  };
}
