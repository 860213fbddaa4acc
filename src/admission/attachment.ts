/** What counts as attached to an image rather than as an image: signatures, attestations, SBOMs. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { foldMemberName, isJsonObject, parseJson } from '../oci/json.ts';
import type { ImageIndex, ImageManifest, Manifest } from '../oci/manifest.ts';

/** A tag that cosign or the referrers fallback gives to what belongs to a digest. */
export interface AttachmentTag {
  readonly subject: Digest;
  /** '' is the fallback index of referrers. */
  readonly suffix: '' | 'sig' | 'att' | 'sbom';
}

const TAG = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.(sig|att|sbom))?$/;

export function parseAttachmentTag(tag: string): AttachmentTag | undefined {
  const [, algorithm, hex, suffix = ''] = TAG.exec(tag) ?? [];
  const subject = `${algorithm ?? ''}:${hex ?? ''}`;
  if (!isDigest(subject)) return undefined;
  if (suffix !== '' && suffix !== 'sig' && suffix !== 'att' && suffix !== 'sbom') return undefined;
  return { subject, suffix };
}

/** Layer types of signatures, attestations and SBOMs: text, none of which a runtime unpacks as a file system. */
const LAYER_TYPES = new Set([
  'application/vnd.dev.cosign.simplesigning.v1+json',
  'application/vnd.dsse.envelope.v1+json',
  'application/vnd.in-toto+json',
  'application/jose+json',
  'text/spdx',
  'text/spdx+json',
  'text/spdx+xml',
  'application/spdx+json',
  'application/vnd.cyclonedx',
  'application/vnd.cyclonedx+json',
  'application/vnd.cyclonedx+xml',
  'application/vnd.syft+json',
  'application/sarif+json',
]);
const LAYER_PREFIX = 'application/vnd.dev.sigstore.bundle';
/** CBOR, so the one type whose content need not be text; see {@link inspectAttachment}. */
const COSE = 'application/cose';

/**
 * Bytes of an attachment's config, and so of any content that could be the config of a container; see
 * {@link inspectAttachment}. cosign's are a few hundred bytes at most.
 */
const MAX_CONFIG = 64 * 1024;

function isAttachmentType(mediaType: string): boolean {
  return LAYER_TYPES.has(mediaType) || mediaType === COSE || mediaType.startsWith(LAYER_PREFIX);
}

/**
 * Whether every layer is of a type that is attached to images. An empty list of layers is not, nor is an empty layer,
 * which is a valid archive of nothing.
 */
export function isAttachment(manifest: Manifest, bytes: Uint8Array): manifest is ImageManifest {
  return (
    manifest.kind === 'image' &&
    manifest.layers.length > 0 &&
    manifest.config.size <= MAX_CONFIG &&
    manifest.layers.every(({ mediaType, size }) => isAttachmentType(mediaType) && size > 0) &&
    !bringsContent(bytes)
  );
}

/** Whether it is a plain list of descriptors, as the referrers fallback keeps under its tag. */
export function isReferrersIndex(manifest: Manifest, bytes: Uint8Array): manifest is ImageIndex {
  return manifest.kind === 'index' && !bringsContent(bytes);
}

/** The content of the empty descriptor, in base64: image-spec "Guidance for an Empty Descriptor". */
const EMPTY_DATA = 'e30=';

/**
 * Whether a descriptor of the manifest has its content in `data` or names other places for it in `urls` (image-spec
 * descriptor.md). Clients then ask nobody, or somebody else, so what it names would never pass an inspection.
 */
function bringsContent(bytes: Uint8Array): boolean {
  const json = parseJson(bytes);
  if (!isJsonObject(json)) return true;
  return ['config', 'subject', 'layers', 'manifests']
    .flatMap((name) => json[name])
    .filter(isJsonObject)
    .some(({ data, urls }) => (data ?? EMPTY_DATA) !== EMPTY_DATA || !isEmptyList(urls ?? []));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

// Everything below TAB and between CR and space: no text has it, nearly every archive does.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000e-\u001f]/;
const TAR_BLOCK = 512;
const TAR_CHECKSUM = { start: 148, end: 156 };

/** RFC 9052 §4.2: the tag of COSE_Sign1. No compressed stream begins with it. */
const COSE_SIGN1 = 0xd2;

/**
 * Looks whether content that calls itself a signature, attestation or SBOM could be a file system after all. What type
 * it is declared with does not matter: types are the publisher's claim, several may claim the same content, and Docker's
 * classic store unpacks a layer whatever its type says.
 * @returns the reason to refuse it, or undefined.
 */
export function inspectAttachment(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return 'it calls itself an attachment and is empty';
  if (configuresContainer(bytes)) return 'it calls itself an attachment and configures a container';
  // The oldest format has no magic, and its header can be text from the first byte to the last.
  if (isTar(bytes)) return 'it calls itself an attachment and is an archive';
  if (bytes[0] === COSE_SIGN1) return undefined;
  // bzip2 is the one compression whose first bytes are text.
  return isText(bytes) && !bytes.toString('latin1', 0, 3).startsWith('BZh')
    ? undefined
    : 'it calls itself an attachment and is not text';
}

/**
 * Whether a runtime that took it for an image's config would find something to run in it: an entrypoint, variables,
 * volumes. cosign leaves `config` empty. Go matches the member's name without regard to case.
 */
function configuresContainer(bytes: Buffer): boolean {
  if (bytes.length > MAX_CONFIG) return false;
  let json: unknown;
  try {
    json = parseJson(bytes);
  } catch {
    // Two members of one name are no JSON here and some JSON to a runtime.
    return bytes.toString('latin1').trimStart().startsWith('{');
  }
  if (!isJsonObject(json)) return false;
  return Object.entries(json).some(
    ([name, value]) =>
      foldMemberName(name) === 'config' && isJsonObject(value) && Object.keys(value).length > 0,
  );
}

function isText(bytes: Buffer): boolean {
  try {
    return !CONTROLS.test(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return false;
  }
}

/** POSIX.1-1988 ustar and its predecessors: the first header carries the sum of its own bytes, signed or not. */
function isTar(bytes: Buffer): boolean {
  if (bytes.length < TAR_BLOCK) return false;
  const { start, end } = TAR_CHECKSUM;
  const declared = Number.parseInt(
    bytes.toString('latin1', start, end).replaceAll('\0', ' ').trim(),
    8,
  );
  let unsigned = 0;
  let signed = 0;
  for (const [at, byte] of bytes.subarray(0, TAR_BLOCK).entries()) {
    const value = at >= start && at < end ? 0x20 : byte;
    unsigned += value;
    signed += value < 0x80 ? value : value - 0x100;
  }
  return declared === unsigned || declared === signed;
}
