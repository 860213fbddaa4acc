/** The configuration as people write it, once the schema has accepted it and filled in its defaults. */
import type { LogLevel, RequirementConfig } from './config.ts';

export interface RawConfig {
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls?: { readonly certFile: string; readonly keyFile: string };
  };
  readonly admin: { readonly host: string; readonly port: number };
  readonly cache: { readonly path: string; readonly maxSize: string };
  readonly upstreams: Readonly<Record<string, RawUpstream>>;
  readonly trustRoots: Readonly<Record<string, RawTrustRoot>>;
  readonly policies: readonly RawRule[];
  readonly log: { readonly level: LogLevel };
}

export interface RawUpstream {
  readonly url?: string;
  readonly default: boolean;
  readonly insecureHttp: boolean;
  readonly tls?: { readonly caFile: string };
  readonly credentials?: RawCredentials;
  readonly privateHosts: readonly string[];
}

export type RawCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly username: string; readonly passwordFile: string }
  | { readonly dockerConfigFile: string };

export interface RawTrustRoot {
  readonly publicKeys: readonly string[];
}

export interface RawRule {
  readonly name: string;
  readonly match: string | readonly string[];
  readonly insecureAcceptAnything?: true;
  readonly reject?: string;
  readonly require?: RequirementConfig;
  readonly tags: { readonly refresh: string; readonly maxStale: string };
  readonly mode: 'enforce' | 'audit';
}
