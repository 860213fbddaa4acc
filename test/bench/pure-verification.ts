/** The processor time of a verification alone: everything in memory, nothing asked over HTTP, nothing kept. */
import { parseRequirement } from '../../src/policy/requirement.ts';
import { verifyImage } from '../../src/verify/verify-image.ts';
import { createMemorySource, REPOSITORY } from '../verify/memory-source.ts';
import { putSignedImages, requirementOf, trustRootsOf, type Form } from './signed-images.ts';

const IMAGES = 20;
const REPETITIONS = 200;

/** Milliseconds of processor time for each, after one round over all images that is not counted. */
export async function verifyInMemory(
  form: Form,
  signers: Parameters<typeof trustRootsOf>[0],
): Promise<number> {
  const requirement = parseRequirement(requirementOf(form));
  const trustRoots = trustRootsOf(signers);
  const now = signers.sigstore.clock();
  // A source for each image: finding referrers among those of all images is no part of a verification.
  const cases = Array.from({ length: IMAGES }, () => {
    const source = createMemorySource({ referrersApi: true });
    const [image] = putSignedImages(source.content, form, 1, signers, REPOSITORY);
    const bytes = image && source.content.manifest(REPOSITORY, image.digest)?.bytes;
    if (image === undefined || bytes === undefined) throw new Error('expected the image put');
    return { subject: { digest: image.digest, bytes }, source };
  });

  async function verify(index: number): Promise<void> {
    const one = cases[index % IMAGES];
    if (one === undefined) throw new Error('expected an image');
    const options = { requirement, trustRoots, source: one.source, now };
    const { evaluation } = await verifyImage(one.subject, options);
    if (evaluation.outcome !== 'satisfied') throw new Error(`${form}: ${evaluation.outcome}`);
  }

  for (let i = 0; i < IMAGES; i += 1) await verify(i);
  const before = process.cpuUsage();
  for (let i = 0; i < REPETITIONS; i += 1) await verify(i);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / REPETITIONS;
}
