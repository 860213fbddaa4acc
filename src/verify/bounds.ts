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
/** Bytes of what a key signs: a claim about a digest takes some hundred. Every key hashes it, up to six times. */
export const MAX_SIGNED_PAYLOAD = 128 * 1024;
/** Layers looked at in one referrer; a bundle has exactly one (cosign BUNDLE_SPEC). */
export const MAX_LAYERS_PER_REFERRER = 4;
/** Characters of a base64 signature in an annotation: RSA 4096 takes 684. */
export const MAX_SIGNATURE_TEXT = 8192;
/** Subjects of one in-toto statement. */
export const MAX_SUBJECTS = 1024;
