/** The configuration as the rest of the program sees it: checked, complete, frozen, plain data. */
import type { Digest } from '../oci/digest.ts';
import type { JsonObject } from '../oci/json.ts';
import type { TagsConfig } from './tags.ts';
import type { UpstreamConfig } from './upstream-config.ts';

/** Everything one configuration file says, defaults included. */
export interface Config {
  /** Absolute path of the file it was read from. */
  readonly file: string;
  /** Absolute paths of the files that it includes, in the order of their rules. */
  readonly included: readonly string[];
  readonly listen: ListenConfig;
  readonly admin: AdminConfig;
  readonly cache: CacheConfig;
  /** Nobody is ever asked: no registry, no trust root's server, nobody about revocation. */
  readonly offline: boolean;
  readonly imports: ImportsConfig;
  /** In the order of the file; names are canonical and unique, at most one is the default. */
  readonly upstreams: readonly UpstreamConfig[];
  readonly trustRoots: readonly TrustRootConfig[];
  /** In the order of the file, then those of the included files: the first match decides. */
  readonly policies: readonly RuleConfig[];
  /** Of all files; no two are about one digest under one rule. */
  readonly exceptions: readonly ExceptionConfig[];
  readonly log: LogConfig;
}

/** The `/v2/` surface. */
export interface ListenConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Absent means plain HTTP. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Where nginx, in front, serves `v1/blobs` of the cache internally: `/internal/blobs/`. */
  readonly accelRedirect?: string | undefined;
}

/** The operator's surface: health and metrics. */
export interface AdminConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What is asked of bundles that are imported, besides the rules. */
export interface ImportsConfig {
  /** Name of the trust root of public keys, one of which must have sealed a bundle; absent: none need have. */
  readonly sealedBy?: string | undefined;
}

export interface CacheConfig {
  /** Absolute path of the folder; it need not exist yet. */
  readonly path: string;
  /** Bytes. */
  readonly maxSize: number;
  /** Patterns of references whose images are not removed to make room. */
  readonly keep: readonly string[];
  /** Blobs of admitted images that are fetched before anybody asks for them, at a time; 0 for none. */
  readonly prefetch: number;
}

export type TrustRootConfig =
  PublicKeysRootConfig | SigstoreRootConfig | NotationRootConfig | NotationPolicyRootConfig;

export interface PublicKeysRootConfig {
  readonly name: string;
  readonly kind: 'public-keys';
  readonly files: readonly KeyFile[];
}

/** Certificates of a Notation trust root by kind of store, and who may be asked about them. */
export interface NotationRootConfig {
  readonly name: string;
  readonly kind: 'notation';
  readonly ca: readonly BytesFile[] | undefined;
  readonly signingAuthority: readonly BytesFile[] | undefined;
  readonly tsa: readonly BytesFile[] | undefined;
  readonly revocationLists: readonly BytesFile[];
  /** Hosts of OCSP responders and lists that may be at private addresses. */
  readonly privateHosts: readonly string[];
}

/** Notation's own folder of configuration: whom to trust for which repository is said there. */
export interface NotationPolicyRootConfig {
  readonly name: string;
  readonly kind: 'notation-policy';
  readonly folder: NotationFolder;
  readonly revocationLists: readonly BytesFile[];
  /** Hosts of OCSP responders and lists that may be at private addresses. */
  readonly privateHosts: readonly string[];
}

/** The folder as it was when the configuration was read. */
export interface NotationFolder {
  /** Absolute. */
  readonly path: string;
  /** Policies, trust stores and what is in them; paths are relative to the folder, with slashes. */
  readonly entries: readonly (FolderEntry & { readonly path: string })[];
}

export type FolderEntry =
  | { readonly kind: 'file'; readonly bytes: Buffer }
  | { readonly kind: 'folder' }
  /** A symbolic link, wherever it leads. */
  | { readonly kind: 'link' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** A file as it was when the configuration was read. */
export interface BytesFile {
  /** Absolute. */
  readonly path: string;
  readonly bytes: Buffer;
}

/** A Sigstore instance: where its keys and certificates come from, and how fresh they must be. */
export interface SigstoreRootConfig {
  readonly name: string;
  readonly kind: 'sigstore';
  readonly source: SigstoreSourceConfig;
  /** Milliseconds between two looks at the mirror; undefined: never, as for files and parts. */
  readonly refresh: number | undefined;
  /** Milliseconds since the last successful look after which nothing is decided any more; undefined: no such bound. */
  readonly maxStaleness: number | undefined;
}

export type SigstoreSourceConfig =
  /** An instance whose root is shipped with the program. */
  | { readonly kind: 'instance'; readonly instance: 'public-good' | 'github' }
  /** A `trusted_root.json`. */
  | { readonly kind: 'file'; readonly file: KeyFile }
  | SigstoreTufConfig
  | SigstorePartsConfig;

/** A private instance that publishes its root by TUF. */
export interface SigstoreTufConfig {
  readonly kind: 'tuf';
  /** URL without credentials, query or trailing slash; plain HTTP only where `insecureHttp` is true. */
  readonly mirror: string;
  /** The TUF root of the beginning, `root.json`. */
  readonly root: KeyFile;
  /** Name of the target that is the trusted root. */
  readonly target: string;
  readonly insecureHttp: boolean;
}

/** Keys and certificates one by one; at least one authority or transparency log. */
export interface SigstorePartsConfig {
  readonly kind: 'parts';
  /** PEM: each file is one chain. */
  readonly certificateAuthorities: readonly KeyFile[];
  readonly transparencyLogs: readonly (LogKeyConfig & { readonly origin: string })[];
  readonly certificateLogs: readonly LogKeyConfig[];
  /** PEM: each file is one chain. */
  readonly timestampAuthorities: readonly KeyFile[];
}

/** The public key of a log, and when its signatures count. */
export interface LogKeyConfig {
  readonly file: KeyFile;
  /** Milliseconds since the epoch; undefined: always. */
  readonly validFrom: number | undefined;
  /** Milliseconds since the epoch; undefined: for ever. */
  readonly validUntil: number | undefined;
}

/** A file as it was when the configuration was read, so that what was checked is what is used. */
export interface KeyFile {
  /** Absolute. */
  readonly path: string;
  /** PEM or JSON, not parsed yet. */
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
  readonly signatures?: SignaturesConfig | undefined;
  readonly tags: TagsConfig;
  /** Milliseconds. */
  readonly reverify: number;
  readonly mode: 'enforce' | 'audit';
}

/** A digest that a rule admits for a time although its signatures do not do. */
export interface ExceptionConfig {
  readonly digest: Digest;
  /** A rule that requires something, by its name. */
  readonly rule: string;
  readonly reason: string;
  /** When it is over; milliseconds since the epoch. */
  readonly expires: number;
}

/** Where the signatures of a rule's images are, and how they must name the image. */
export interface SignaturesConfig {
  /**
   * Instead of the image's own repository, as COSIGN_REPOSITORY names it: `registry.example/signatures`, or
   * `registry.example/signatures/**`, in which the image's name without its registry takes the place of `**`.
   */
  readonly repository?: string | undefined;
  /** What a payload's docker-reference must be; undefined: anything. */
  readonly reference?: ReferenceConfig | undefined;
  /** Whether a signature over BuildKit's attestation manifest counts for the image that the manifest is about. */
  readonly buildkit?: boolean | undefined;
}

/** `remap`: images under `prefix` were signed under `signedPrefix`. */
export type ReferenceConfig =
  | 'exact'
  | 'repository'
  | { readonly remap: { readonly prefix: string; readonly signedPrefix: string } };

export type RequirementConfig =
  | SignerConfig
  | { readonly notation: NotationSignerConfig }
  | { readonly attestation: AttestationConfig }
  | { readonly allOf: readonly RequirementConfig[] }
  | { readonly anyOf: readonly RequirementConfig[] }
  | { readonly atLeast: { readonly count: number; readonly of: readonly RequirementConfig[] } };

/** Whose signature it is that counts. */
export type SignerConfig =
  { readonly key: KeySignerConfig } | { readonly sigstore: SigstoreSignerConfig };

export interface KeySignerConfig {
  readonly trustRoot: string;
  /** How many distinct logs must hold the signature. */
  readonly transparencyLog: number;
  /** How many distinct authorities must have proven a time. */
  readonly timestamps: number;
  /** The sigstore trust root that knows those logs and authorities; there where one of the two is demanded. */
  readonly logsFrom?: string | undefined;
}

export interface SigstoreSignerConfig {
  readonly trustRoot: string;
  /** Any of them. */
  readonly identities: readonly IdentityConfig[];
  readonly transparencyLog: number;
  /** How many distinct logs must have promised to log the certificate. */
  readonly certificateTransparency: number;
  readonly timestamps: number;
}

export interface NotationSignerConfig {
  readonly trustRoot: string;
  /** `*` alone, or `x509.subject: …` each; absent where the trust root is a policy of Notation's own. */
  readonly identities?: readonly string[] | undefined;
  readonly level?: 'strict' | 'permissive' | 'audit' | undefined;
  readonly override?:
    | {
        readonly authenticity?: 'enforce' | 'log';
        readonly authenticTimestamp?: 'enforce' | 'log';
        readonly expiry?: 'enforce' | 'log';
        readonly revocation?: 'enforce' | 'log' | 'skip';
      }
    | undefined;
  readonly timestamps?: 'always' | 'afterCertificateExpiry' | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Exactly one of `issuer` and `issuerPattern`, and of `subject` and `subjectPattern`. */
export interface IdentityConfig {
  readonly issuer?: string | undefined;
  readonly issuerPattern?: string | undefined;
  readonly subject?: string | undefined;
  readonly subjectPattern?: string | undefined;
  /** All of them; by name, as `sourceRepositoryURI`. */
  readonly extensions?: Readonly<Record<string, string | { readonly pattern: string }>> | undefined;
}

export interface AttestationConfig {
  /** A predicate type's URI, or a short name for one. */
  readonly type: string;
  readonly by: SignerConfig;
  /** JSON Schema of the predicate, from `schema` or from `schemaFile`. */
  readonly schema?: JsonObject | undefined;
  /** CEL. */
  readonly rule?: string | undefined;
  /** Milliseconds. */
  readonly maxAge?: number | undefined;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

export interface LogConfig {
  readonly level: LogLevel;
}
