/** A content descriptor as a checked value: OCI image-spec descriptor.md. */
import type { Digest } from './digest.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes, a non-negative safe integer. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** `os/architecture[/variant]`, where the descriptor of an index child says so. */
  readonly platform?: string;
}
