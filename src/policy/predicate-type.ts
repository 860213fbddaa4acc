/** Predicate types of attestations: cosign's short names and the URIs that statements carry. */

/** What a requirement means by its `type`. */
export interface PredicateType {
  /** As configuration spells it. */
  readonly name: string;
  readonly uri: string;
  /** Whether `uri/v2.3` (or `uri@v2.3`) means it too: producers append the version of the document's format. */
  readonly versioned: boolean;
}

/** cosign's names (`cosign attest --type`), which are the words people know. */
const SHORT_NAMES: ReadonlyMap<string, Omit<PredicateType, 'name'>> = new Map([
  ['custom', { uri: 'https://cosign.sigstore.dev/attestation/v1', versioned: false }],
  ['slsaprovenance', { uri: 'https://slsa.dev/provenance/v0.2', versioned: false }],
  ['slsaprovenance02', { uri: 'https://slsa.dev/provenance/v0.2', versioned: false }],
  ['slsaprovenance1', { uri: 'https://slsa.dev/provenance/v1', versioned: false }],
  ['spdx', { uri: 'https://spdx.dev/Document', versioned: true }],
  ['spdxjson', { uri: 'https://spdx.dev/Document', versioned: true }],
  ['cyclonedx', { uri: 'https://cyclonedx.org/bom', versioned: true }],
  ['link', { uri: 'https://in-toto.io/Link/v1', versioned: false }],
  ['vuln', { uri: 'https://cosign.sigstore.dev/attestation/vuln/v1', versioned: false }],
  ['openvex', { uri: 'https://openvex.dev/ns', versioned: true }],
]);

const VERSION = /[/@]v\d{1,4}(?:\.\d{1,4}){0,2}$/;
const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i;

/**
 * Reads a short name of cosign's, or the URI itself.
 * @throws {SyntaxError} when it is neither.
 */
export function parsePredicateType(name: string): PredicateType {
  const known = SHORT_NAMES.get(name);
  if (known !== undefined) return { name, ...known };
  if (!ABSOLUTE_URI.test(name) || name.length > 1024) {
    throw new SyntaxError(
      `expected a predicate type (${[...SHORT_NAMES.keys()].join(', ')} or a URI), got ${JSON.stringify(name.slice(0, 160))}`,
    );
  }
  return { name, uri: name, versioned: false };
}

/**
 * Whether a statement's predicateType is what the requirement means: exactly, but for the version of a format that the
 * short names spdx, cyclonedx and openvex leave open. A statement of another type never counts (CVE-2022-35929).
 */
export function isPredicateType(type: PredicateType, uri: string): boolean {
  return uri === type.uri || (type.versioned && withoutVersion(uri) === type.uri);
}

const FORMATS = new Set(
  [...SHORT_NAMES.values()].filter(({ versioned }) => versioned).map(({ uri }) => uri),
);

/** `https://spdx.dev/Document` for `https://spdx.dev/Document/v2.3`; types whose version is part of them stay. */
export function withoutVersion(uri: string): string {
  const bare = uri.replace(VERSION, '');
  return FORMATS.has(bare) ? bare : uri;
}
