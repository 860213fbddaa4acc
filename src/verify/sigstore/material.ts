/**
 * One signature with everything that came along, read and bounded, whatever form it had: a bundle of any version, a
 * `.sig` layer, an `.att` layer. Nothing in it is believed yet.
 */

export interface SignedMaterial {
  /** `bundle v0.3`, `simple signing`, `attestation`: for people. */
  readonly form: string;
  /** Who is said to have signed. */
  readonly verifier:
    | { readonly kind: 'key' }
    | {
        readonly kind: 'certificate';
        /** DER. */
        readonly leaf: Buffer;
        /** DER of what came with it: intermediates, never believed as roots. */
        readonly chain: readonly Buffer[];
      };
  readonly signature: Buffer;
  readonly content: SignedContent;
  readonly entries: readonly LogEntry[];
  /** DER of RFC 3161 TimeStampResp. */
  readonly timestamps: readonly Buffer[];
  /** What the timestamps are over: the signature, or the whole envelope of a legacy `.att`. */
  readonly timestamped: Buffer;
}

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** What the signature covers. */
export type SignedContent =
  /** The bytes themselves: a simple-signing payload, an artifact. */
  | {
      readonly kind: 'message';
      /** Absent where only a digest is known (`verify-bundle … sha256:…`); then `digest` is there. */
      readonly data?: Buffer;
      /** As a bundle declares it. */
      readonly digest?: { readonly algorithm: HashName; readonly bytes: Buffer };
    }
  /** A DSSE envelope: the signature covers its pre-authentication encoding. */
  | {
      readonly kind: 'dsse';
      readonly payloadType: string;
      readonly payload: Buffer;
      /** The envelope's JSON as it stands in a legacy `.att` layer; some log entries hash it. */
      readonly envelope?: Buffer;
    };

/** A transparency log's entry as it came along. */
export interface LogEntry {
  /** Key id of the log, hex. */
  readonly logId: string;
  readonly index: bigint;
  readonly kind: string;
  readonly version: string;
  /** Seconds since the epoch; undefined where the log tells none (Rekor v2). Believed only with `promise`. */
  readonly integratedTime: number | undefined;
  /** The canonicalized body that the log holds. */
  readonly body: Buffer;
  /** The signed entry timestamp (SET). */
  readonly promise?: Buffer;
  readonly proof?: InclusionProof;
}

export interface InclusionProof {
  readonly index: bigint;
  readonly treeSize: bigint;
  readonly rootHash: Buffer;
  readonly hashes: readonly Buffer[];
  /** A signed note; undefined where the bundle has none, which proves nothing. */
  readonly checkpoint: string | undefined;
}
