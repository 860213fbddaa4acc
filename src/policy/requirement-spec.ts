/** Requirements as the configuration spells them: plain data, objects with one member, durations in milliseconds. */
import type { JsonObject } from '../oci/json.ts';
import type { IdentitySpec } from './identity.ts';
import type { NotationSpec } from './notation-requirement.ts';

/** A signature by one of the keys of a `publicKeys` trust root. */
export interface KeySpec {
  readonly trustRoot: string;
  /** Distinct transparency logs that must hold the signature; 0 unless said. */
  readonly transparencyLog?: number | undefined;
  /** Distinct sources of time that must vouch for the signature; 0 unless said. */
  readonly timestamps?: number | undefined;
  /** The sigstore trust root whose logs and authorities count; demanded where a threshold is above 0. */
  readonly logsFrom?: string | undefined;
}

/** A signature by the holder of one of the identities, certified by a `sigstore` trust root. */
export interface SigstoreSpec {
  readonly trustRoot: string;
  readonly identities: readonly IdentitySpec[];
  /** Distinct transparency logs that must hold the signature; 1 unless said. */
  readonly transparencyLog?: number | undefined;
  /** Distinct certificate-transparency logs that must have promised to log the certificate; 1 unless said. */
  readonly certificateTransparency?: number | undefined;
  /** Distinct sources of time that must vouch for the signature; 1 unless said. */
  readonly timestamps?: number | undefined;
}

export type SignatureSpec = { readonly key: KeySpec } | { readonly sigstore: SigstoreSpec };

/** A statement about the image, of one type, signed by somebody, with a content that is demanded. */
export interface AttestationSpec {
  /** A short name of cosign's (`slsaprovenance1`, `vuln`, …) or the URI of the predicate type. */
  readonly type: string;
  readonly by: SignatureSpec;
  /** JSON Schema of the predicate, 2020-12 unless its `$schema` names draft-07. */
  readonly schema?: JsonObject | undefined;
  /** CEL expression that must be true. */
  readonly rule?: string | undefined;
  /** Milliseconds. */
  readonly maxAge?: number | undefined;
}

export type RequirementSpec =
  | SignatureSpec
  | { readonly notation: NotationSpec }
  | { readonly attestation: AttestationSpec }
  | { readonly allOf: readonly RequirementSpec[] }
  | { readonly anyOf: readonly RequirementSpec[] }
  | { readonly atLeast: { readonly count: number; readonly of: readonly RequirementSpec[] } };
