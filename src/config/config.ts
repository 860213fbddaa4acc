/** The configuration as the rest of the program sees it: checked, complete, frozen, plain data. */

/** Everything one configuration file says, defaults included. */
export interface Config {
  /** Absolute path of the file it was read from. */
  readonly file: string;
  readonly listen: ListenConfig;
  readonly admin: AdminConfig;
  readonly cache: CacheConfig;
  /** In the order of the file; names are canonical and unique, at most one is the default. */
  readonly upstreams: readonly UpstreamConfig[];
  readonly trustRoots: readonly TrustRootConfig[];
  /** In the order of the file: the first match decides. */
  readonly policies: readonly RuleConfig[];
  readonly log: LogConfig;
}

/** The `/v2/` surface. */
export interface ListenConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Absent means plain HTTP. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** The operator's surface: health and metrics. */
export interface AdminConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface CacheConfig {
  /** Absolute path of the folder; it need not exist yet. */
  readonly path: string;
  /** Bytes. */
  readonly maxSize: number;
}

export interface UpstreamConfig {
  /** Canonical registry name, e.g. `docker.io`. */
  readonly name: string;
  /** Origin without a trailing slash, e.g. `https://registry-1.docker.io`. */
  readonly url: string;
  /** Answers for names that carry no registry. */
  readonly default: boolean;
  /** Always true where `url` is plain HTTP. */
  readonly insecureHttp: boolean;
  /** Absolute path of PEM certificates that are believed beside the system's. */
  readonly caFile?: string | undefined;
  readonly credentials?: CredentialsConfig | undefined;
  /** `host` or `host:port`: may be reached at private addresses, as the host of `url` may. */
  readonly privateHosts: readonly string[];
}

/** How an upstream knows us. Environment variables are resolved already; file paths are absolute. */
export type CredentialsConfig =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'password-file'; readonly username: string; readonly passwordFile: string }
  | { readonly kind: 'docker-config'; readonly dockerConfigFile: string };

export interface TrustRootConfig {
  readonly name: string;
  readonly kind: 'public-keys';
  readonly files: readonly KeyFile[];
}

/** A file of public keys as it was when the configuration was read, so that what was checked is what is used. */
export interface KeyFile {
  /** Absolute. */
  readonly path: string;
  /** PEM, not parsed yet. */
  readonly text: string;
}

/** One rule, in the shape that `policy/` parses. Exactly one of the optional members is present. */
export interface RuleConfig {
  readonly name: string;
  /** Glob patterns; a leading `!` excludes. */
  readonly match: readonly string[];
  readonly insecureAcceptAnything?: true | undefined;
  /** The reason that clients are shown. */
  readonly reject?: string | undefined;
  readonly require?: RequirementConfig | undefined;
  /** Milliseconds. */
  readonly tags: { readonly refresh: number; readonly maxStale: number };
  readonly mode: 'enforce' | 'audit';
}

export type RequirementConfig =
  | { readonly key: { readonly trustRoot: string } }
  | { readonly allOf: readonly RequirementConfig[] }
  | { readonly anyOf: readonly RequirementConfig[] }
  | { readonly atLeast: { readonly count: number; readonly of: readonly RequirementConfig[] } };

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

export interface LogConfig {
  readonly level: LogLevel;
}
