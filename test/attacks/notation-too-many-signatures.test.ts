/**
 * Endless signatures (CVE-2023-33957, CVE-2023-33958): notation asked for and verified every signature that a registry
 * listed, so that a registry or whoever could push kept it busy for ever. notation stops after 100 by default.
 *
 * Countersign looks at 32 signatures of an image, those that say what they are first, and says so where there are more:
 * a good signature within the bound is found whatever is before it, and beyond it nothing is guessed.
 */
import t from 'tap';
import { TEAM } from '../helpers/lab.ts';
import {
  issueNotationAuthority,
  issueSigner,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { cose, jws, layerOf, openNotation, type Attempt } from './notation.ts';

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const stranger = issueSigner({ issuer: issueNotationAuthority('root') });
const root = rootOfStores({ ca: [ca] });

/** MAX_SIGNATURES_PER_PLACE in verify/bounds. */
const BOUND = 32;

/** Signatures by somebody else, no two of them the same. */
const junk = (count: number): readonly Attempt[] =>
  Array.from({ length: count }, (_, at) =>
    (at % 2 === 0 ? jws : cose)(stranger, { annotations: { at: String(at) } }),
  );
/** Things that refer to the image and are no signatures. */
const noise = (count: number): readonly Attempt[] =>
  Array.from({ length: count }, (_, at) => ({
    envelopeType: 'text/plain',
    over: () => Buffer.from(`note ${at}`),
    manifest: () => ({ changes: { artifactType: 'application/vnd.example.note' } }),
  }));

t.test('101 signatures of strangers cost a bounded number of requests', async (t) => {
  const lab = await openNotation(t, { root });
  const image = lab.put(...junk(101));
  lab.registry.clearRequests();
  const answer = await lab.pull(image);
  t.match(answer, /^403 DENIED /);
  t.match(answer, /holds more signatures than are looked at/);
  t.match(answer, /signed by someone else \(authenticity\)/);
  t.ok(answer.length < 4096, 'the message stays short');
  // The image, the list, and of each signature its manifest and its envelope; one is opened ahead.
  const { length } = lab.registry.requests;
  t.ok(length <= 2 + 2 * (BOUND + 2), `${length} requests`);
});

t.test('strangers hide no good signature within the bound', async (t) => {
  const { serves, denies } = await openNotation(t, { root });
  await serves(t, 'the last that is looked at', ...junk(BOUND - 1), jws(vendor));
  await serves(t, 'a good one before them all', cose(vendor), ...junk(101));
  const beyond = /holds more signatures than are looked at/;
  await denies(t, 'the first that is not', beyond, ...junk(BOUND), jws(vendor));
});

t.test('what says that it is no signature takes no place of one', async (t) => {
  const { serves } = await openNotation(t, { root });
  await serves(t, 'behind 101 notes', ...noise(101), jws(vendor));
});

t.test('a fallback index of 101 signatures is bounded as well', async (t) => {
  const lab = await openNotation(t, { root, registry: { fallbackTags: true } });
  const image = lab.put(...junk(101));
  lab.registry.clearRequests();
  t.match(await lab.pull(image), /^403 DENIED .*holds more signatures than are looked at/);
  const { length } = lab.registry.requests.filter(({ url }) => url.includes(TEAM));
  t.ok(length <= 3 + 2 * (BOUND + 2), `${length} requests`);
  await lab.serves(t, 'within the bound', ...junk(BOUND - 1), jws(vendor));
});

t.test('many layers in one manifest are no signature', async (t) => {
  const { denies } = await openNotation(t, { root });
  const good = jws(vendor);
  const layered: Attempt = {
    ...good,
    manifest: (_target, envelope) => ({
      changes: { layers: Array.from({ length: 101 }, () => layerOf(envelope)) },
    }),
  };
  await denies(t, '101 layers', /expected 1 layer of a signature manifest, got 101/, layered);
});
