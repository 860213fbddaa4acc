/**
 * BuildKit's chain: beside the image of each platform an index names an attestation manifest about it, and that manifest
 * is what is signed (its form: moby/buildkit docs/attestations/attestation-storage.md). Whoever signs it signs the image
 * that is its subject, and makes the statements in its layers. Only where a rule says so: a signer who signs whatever is in
 * an index, such as `cosign sign --recursive`, did not write what the builder states.
 */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type ImageIndex, type ImageManifest } from '../oci/manifest.ts';
import type { Finding, Statement } from '../policy/evidence.ts';
import { isMeantBy } from '../policy/leaf-evaluation.ts';
import {
  MAX_ATTESTATION_CONTENT,
  MAX_LAYERS_PER_REFERRER,
  MAX_PLATFORMS,
  MAX_SIGNATURE_MANIFEST,
} from './bounds.ts';
import { tooLarge } from './discovered.ts';
import { restated } from './evidence.ts';
import { SourceError, type SignatureSource } from './signature-source.ts';
import { contentDigests, IN_TOTO, parseStatementAbout } from './sigstore/statement-binding.ts';
import { verifyImage, type Verification, type VerifyOptions } from './verify-image.ts';

const REFERENCE_TYPE = 'vnd.docker.reference.type';
const REFERENCE_DIGEST = 'vnd.docker.reference.digest';
const ATTESTATION_MANIFEST = 'attestation-manifest';
const ARTIFACT_TYPE = 'application/vnd.docker.attestation.manifest.v1+json';
/** No runtime takes it for an image to run. */
const NO_PLATFORM = 'unknown/unknown';

export interface ChainOptions extends VerifyOptions {
  /** The index. */
  readonly digest: Digest;
  /** Where the attestation manifests are: in the image's repository, wherever its signatures are. */
  readonly content: SignatureSource;
}

interface Link {
  readonly image: Descriptor;
  readonly attestation: Descriptor;
}

/**
 * Whether every image of an index satisfies the requirement through its attestation manifest, together with what is
 * known of the index itself. One that does not is enough to fail: a runtime picks whichever it likes.
 * @param own what came of the index's own signatures, which did not suffice.
 */
export async function verifyByProvenance(
  index: ImageIndex,
  own: Verification,
  options: ChainOptions,
): Promise<Verification> {
  const links = linksOf(index);
  if (typeof links === 'string') {
    return links === '' ? own : { ...own, findings: [...own.findings, unlinked(links)] };
  }
  let { findings, evidence, trouble, bounds } = own;
  const evaluations = [];
  for (const link of links) {
    const next = await verifyLink(link, own, options);
    findings = [...findings, ...next.findings];
    evidence = [...evidence, ...next.evidence.filter((item) => !evidence.includes(item))];
    trouble = [...trouble, ...next.trouble];
    bounds = [...bounds, ...next.bounds];
    const { evaluation } = next;
    evaluations.push(evaluation);
    if (evaluation.outcome === 'satisfied') continue;
    // What the index's own places hide might still satisfy.
    const told = own.trouble.length > 0 || next.evidence.length === 0 ? own.evaluation : evaluation;
    const outcome = trouble.length > 0 ? 'undetermined' : 'failed';
    return { evaluation: { ...told, outcome }, findings, evidence, trouble, bounds };
  }
  const until = Math.min(...evaluations.map((each) => each.until ?? Infinity));
  const evaluation = {
    requirement: `${own.evaluation.requirement} for every platform`,
    outcome: 'satisfied' as const,
    by: [],
    of: evaluations,
    ...(until === Infinity ? {} : { until }),
  };
  return { evaluation, findings, evidence, trouble, bounds };
}

/** Every image with its attestation manifest; '' where the index has none of these, a sentence where one is missing. */
function linksOf(index: ImageIndex): readonly Link[] | string {
  const isAttestation = ({ annotations, platform }: Descriptor): boolean =>
    annotations?.[REFERENCE_TYPE] === ATTESTATION_MANIFEST && platform === NO_PLATFORM;
  const attestations = index.manifests.filter(isAttestation);
  if (attestations.length === 0) return '';
  const images = index.manifests.filter((child) => !isAttestation(child));
  if (images.length === 0 || images.length > MAX_PLATFORMS) {
    return `expected 1 to ${MAX_PLATFORMS} images beside attestation manifests, got ${images.length}`;
  }
  const links: Link[] = [];
  for (const image of images) {
    const about = attestations.filter(
      (one) => one.annotations?.[REFERENCE_DIGEST] === image.digest,
    );
    const [attestation, ...more] = about;
    if (attestation === undefined || more.length > 0) {
      return `expected one attestation manifest about ${image.digest}, got ${about.length}`;
    }
    links.push({ image, attestation });
  }
  // What nobody vouches for is not served beside what somebody does.
  const stray = attestations.find((one) => !links.some(({ attestation }) => attestation === one));
  return stray === undefined ? links : `${stray.digest} is about no image of the index`;
}

function unlinked(text: string): Finding {
  return { place: 'attestation manifests', scheme: 'other', outcome: 'ignored', text };
}

async function verifyLink(
  { image, attestation }: Link,
  own: Verification,
  options: ChainOptions,
): Promise<Verification> {
  const place = `attestation manifest ${attestation.digest}`;
  const nothing = { ...own, findings: [], trouble: [], bounds: [] };
  try {
    const { bytes, manifest } = await openAttestation(image, attestation, options.content);
    // They may be large, and anybody can put them there and sign them: they are read when somebody who is meant did.
    let statements: Promise<readonly Statement[]> | undefined;
    const subject = { digest: attestation.digest, bytes, mediaType: manifest.mediaType };
    const verification = await verifyImage(subject, {
      ...options,
      revokedKeys: (digest) => revokedFor([digest, image.digest, options.digest], options),
      through: {
        beside: own.evidence,
        restate: async (evidence) => {
          if (!isMeantBy(options.requirement, evidence.signer)) {
            return restated(evidence, image.digest, []);
          }
          statements ??= readStatements(image.digest, manifest, options.content);
          return restated(evidence, image.digest, await statements);
        },
      },
    });
    const findings = verification.findings.map((finding) => ({
      ...finding,
      place: `${finding.place} of ${place}`,
    }));
    return { ...verification, findings };
  } catch (error) {
    if (error instanceof SourceError) return { ...nothing, trouble: [{ place, error }] };
    if (!(error instanceof SyntaxError)) throw error;
    const text = error.message;
    return { ...nothing, findings: [{ place, scheme: 'other', outcome: 'rejected', text }] };
  }
}

/** Whoever signs the manifest signs for the image and for the index: a key that was revoked for either counts no more. */
async function revokedFor(
  digests: readonly Digest[],
  { revokedKeys }: ChainOptions,
): Promise<ReadonlySet<string>> {
  const all = new Set<string>();
  for (const digest of digests) {
    for (const key of (await revokedKeys?.(digest)) ?? []) all.add(key);
  }
  return all;
}

/**
 * An index may call anything an attestation manifest; what is one says so itself, and was signed as one. Else every signed
 * report about an image would vouch for that image.
 * @throws {SyntaxError} unless it is there, is one, and its subject is the image: in digest, size and media type.
 */
async function openAttestation(
  image: Descriptor,
  attestation: Descriptor,
  content: SignatureSource,
): Promise<{ readonly bytes: Buffer; readonly manifest: ImageManifest }> {
  const answer = await content.findManifest(attestation.digest, MAX_SIGNATURE_MANIFEST);
  if (answer.kind !== 'found') {
    throw new SyntaxError(
      answer.kind === 'refused' ? answer.reason : 'the registry does not have it',
    );
  }
  const { bytes, contentType } = answer.value;
  const manifest = parseManifest(bytes, contentType);
  if (manifest.kind !== 'image') throw new SyntaxError('expected an image manifest');
  const { subject, artifactType = 'none', layers } = manifest;
  if (artifactType !== ARTIFACT_TYPE) {
    throw new SyntaxError(
      `expected artifact type ${ARTIFACT_TYPE}, got ${artifactType.slice(0, 80)}`,
    );
  }
  if (layers.length === 0 || layers.some(({ mediaType }) => mediaType !== IN_TOTO)) {
    throw new SyntaxError(`expected layers of ${IN_TOTO} alone`);
  }
  if (subject === undefined) {
    throw new SyntaxError('it has no subject, so that its signature binds no image');
  }
  if (
    subject.digest !== image.digest ||
    subject.size !== image.size ||
    subject.mediaType !== image.mediaType
  ) {
    throw new SyntaxError(`its subject is ${subject.digest}, expected ${image.digest} as listed`);
  }
  return { bytes, manifest };
}

/** @throws {SyntaxError} for a layer that is no statement about the image: BuildKit makes none such. */
async function readStatements(
  image: Digest,
  { layers }: ImageManifest,
  content: SignatureSource,
): Promise<readonly Statement[]> {
  const statements: Statement[] = [];
  if (layers.length > MAX_LAYERS_PER_REFERRER) {
    throw new SyntaxError(`expected at most ${MAX_LAYERS_PER_REFERRER} statements`);
  }
  for (const layer of layers) {
    if (layer.size > MAX_ATTESTATION_CONTENT) {
      throw new SyntaxError(tooLarge(layer.size, MAX_ATTESTATION_CONTENT));
    }
    const answer = await content.findContent(layer);
    if (answer.kind !== 'found') {
      throw new SyntaxError(answer.kind === 'refused' ? answer.reason : 'a statement is missing');
    }
    const { predicateType, json } = parseStatementAbout(contentDigests(image), answer.value);
    statements.push({ predicateType, json });
  }
  return statements;
}
