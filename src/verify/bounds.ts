/** How much a verifier reads of what strangers attached to an image (design: bounds). */

/**
 * Signatures, or things listed as such, looked at in each of the two places where they live (the `.sig` tag and the
 * referrers): 64 for one digest. Each place has its own share, so junk in one hides nothing in the other.
 */
export const MAX_SIGNATURES_PER_PLACE = 32;
/** Bytes of a manifest that carries signatures. */
export const MAX_SIGNATURE_MANIFEST = 1024 * 1024;
/** Bytes of one bundle or signed payload. */
export const MAX_SIGNATURE_CONTENT = 1024 * 1024;
/** Bytes of one attestation, in a bundle or a DSSE envelope, where a rule asks for attestations: SBOMs take several MiB. */
export const MAX_ATTESTATION_CONTENT = 8 * 1024 * 1024;
/** Bytes of all contents opened in one place, as they are declared. */
export const MAX_CONTENT_PER_PLACE = 32 * 1024 * 1024;
/** Bytes of what a key signs: a claim about a digest takes some hundred. Every key hashes it, up to six times. */
export const MAX_SIGNED_PAYLOAD = 128 * 1024;
/** Objects and arrays in an attestation's JSON; SBOMs of large images have some hundred thousand. */
export const MAX_ATTESTATION_CONTAINERS = 512 * 1024;
/** Bytes of what is signed times keys that are tried on it. */
export const MAX_HASHED = 64 * 1024 * 1024;
/** Layers looked at in one referrer; a bundle has exactly one (cosign BUNDLE_SPEC), other forms one for each signature. */
export const MAX_LAYERS_PER_REFERRER = 8;
/** Images of an index that are looked at one by one, each through its own attestation manifest. */
export const MAX_PLATFORMS = 32;
/** Transparency-log entries beside one signature. */
export const MAX_LOG_ENTRIES = 8;
/** RFC 3161 timestamps beside one signature, and bytes of each. */
export const MAX_TIMESTAMPS = 8;
export const MAX_TIMESTAMP = 64 * 1024;
/** Certificates beside one signature, the leaf included. */
export const MAX_CHAIN = 8;
/** Bytes of a log entry's body; one holds a hash, a signature and a certificate. */
export const MAX_ENTRY_BODY = 128 * 1024;
/** Hashes of an inclusion proof: a log of 2^64 entries needs no more. */
export const MAX_PROOF_HASHES = 64;
/** Characters of a checkpoint: a few lines, and one for each witness. */
export const MAX_CHECKPOINT = 64 * 1024;
/** Characters of a base64 signature in an annotation: RSA 4096 takes 684. */
export const MAX_SIGNATURE_TEXT = 8192;
/** Subjects of one in-toto statement. */
export const MAX_SUBJECTS = 1024;
