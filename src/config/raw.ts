/** The configuration as people write it, once the schema has accepted it and filled in its defaults. */
import type { JsonObject } from '../oci/json.ts';
import type {
  KeySignerConfig,
  LogLevel,
  NotationSignerConfig,
  ReferenceConfig,
  SigstoreSignerConfig,
} from './config.ts';
import type { RawTags } from './tags.ts';

export interface RawConfig extends RawShared {
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls?: { readonly certFile: string; readonly keyFile: string };
    readonly accelRedirect?: string;
  };
  readonly admin: { readonly host: string; readonly port: number };
  readonly cache: {
    readonly path: string;
    readonly maxSize: string;
    readonly keep: readonly string[];
    readonly prefetch: number;
  };
  readonly include: readonly string[];
  readonly offline: boolean;
  readonly imports: { readonly require?: { readonly trustRoot: string } };
  readonly log: { readonly level: LogLevel };
}

/** What an included file may hold too. */
export interface RawShared {
  readonly upstreams: Readonly<Record<string, RawUpstream>>;
  readonly trustRoots: Readonly<Record<string, RawTrustRoot>>;
  readonly policies: readonly RawRule[];
  readonly exceptions: readonly RawException[];
}

export interface RawUpstream extends RawPlace {
  readonly default: boolean;
  readonly offline: boolean;
  readonly mirrors: readonly RawMirror[];
}

/** The url alone, or a mapping that has one. */
export type RawMirror =
  | string
  | (RawPlace & { readonly url: string; readonly preferred: boolean; readonly tags: boolean });

export interface RawPlace {
  readonly url?: string;
  readonly insecureHttp: boolean;
  readonly tls?: { readonly caFile: string };
  readonly credentials?: RawCredentials;
  readonly privateHosts: readonly string[];
}

export type RawCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly username: string; readonly passwordFile: string }
  | { readonly dockerConfigFile: string };

export type RawTrustRoot =
  | { readonly publicKeys: readonly string[] }
  | { readonly sigstore: RawSigstoreRoot }
  | { readonly notation: RawNotationRoot };

export interface RawNotationRoot {
  readonly ca?: readonly string[];
  readonly signingAuthority?: readonly string[];
  readonly tsa?: readonly string[];
  readonly revocationLists?: readonly string[];
  readonly privateHosts?: readonly string[];
  /** Instead of the three stores. */
  readonly configDir?: string;
}

export type SigstoreInstance = 'public-good' | 'github';

export type RawSigstoreRoot = SigstoreInstance | RawSigstoreMapping;

/** One of instance, trustedRootFile, tuf, or any of the four lists. */
export interface RawSigstoreMapping {
  readonly instance?: SigstoreInstance;
  readonly trustedRootFile?: string;
  readonly tuf?: RawTuf;
  readonly certificateAuthorities?: readonly string[];
  readonly transparencyLogs?: readonly (RawLogKey & { readonly origin: string })[];
  readonly certificateLogs?: readonly RawLogKey[];
  readonly timestampAuthorities?: readonly string[];
  readonly refresh?: string;
  readonly maxStaleness?: string;
}

export interface RawTuf {
  readonly mirror: string;
  readonly rootFile: string;
  readonly target: string;
  readonly insecureHttp: boolean;
}

export interface RawLogKey {
  readonly keyFile: string;
  readonly validFrom?: string;
  readonly validUntil?: string;
}

export interface RawRule {
  readonly name: string;
  readonly match: string | readonly string[];
  readonly insecureAcceptAnything?: true;
  readonly reject?: string;
  readonly require?: RawRequirement;
  readonly signatures?: {
    readonly repository?: string;
    readonly reference?: ReferenceConfig;
    readonly buildkit?: boolean;
  };
  readonly tags: RawTags;
  readonly reverify: string;
  readonly mode: 'enforce' | 'audit';
}

export interface RawException {
  readonly digest: string;
  readonly rule: string;
  readonly reason: string;
  readonly expires: string;
}

export type RawRequirement =
  | RawSigner
  | { readonly notation: NotationSignerConfig }
  | { readonly attestation: RawAttestation }
  | { readonly allOf: readonly RawRequirement[] }
  | { readonly anyOf: readonly RawRequirement[] }
  | { readonly atLeast: { readonly count: number; readonly of: readonly RawRequirement[] } };

export type RawSigner =
  { readonly key: KeySignerConfig } | { readonly sigstore: SigstoreSignerConfig };

export interface RawAttestation {
  readonly type: string;
  readonly by: RawSigner;
  readonly schema?: JsonObject;
  readonly schemaFile?: string;
  readonly rule?: string;
  readonly maxAge?: string;
}
