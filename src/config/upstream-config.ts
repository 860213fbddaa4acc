/** Upstreams as the configuration has them: where they are, who we are there, and what stands in for them. */

/** A registry, or a mirror of one, and how it is reached. */
export interface PlaceConfig {
  /** Origin without a trailing slash, e.g. `https://registry-1.docker.io`. */
  readonly url: string;
  /** Always true where `url` is plain HTTP. */
  readonly insecureHttp: boolean;
  /** Absolute path of PEM certificates that are believed beside the system's. */
  readonly caFile?: string | undefined;
  readonly credentials?: CredentialsConfig | undefined;
  /** `host` or `host:port`: may be reached at private addresses, as the host of `url` may. */
  readonly privateHosts: readonly string[];
}

export interface UpstreamConfig extends PlaceConfig {
  /** Canonical registry name, e.g. `docker.io`. */
  readonly name: string;
  /** Answers for names that carry no registry. */
  readonly default: boolean;
  /** Neither it nor its mirrors are ever asked. */
  readonly offline: boolean;
  /** Asked in turn for what a digest names. */
  readonly mirrors: readonly MirrorConfig[];
}

export interface MirrorConfig extends PlaceConfig {
  /** Asked before the upstream for what a digest names, and not only when it fails. */
  readonly preferred: boolean;
  /** Asked what tags mean and what refers to a digest too, when the upstream fails. */
  readonly tags: boolean;
}

/** How an upstream knows us. Environment variables are resolved already; file paths are absolute. */
export type CredentialsConfig =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'password-file'; readonly username: string; readonly passwordFile: string }
  | { readonly kind: 'docker-config'; readonly dockerConfigFile: string };
