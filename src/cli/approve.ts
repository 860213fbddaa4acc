/** `countersign approve REF --key KEY`: the organisation's own signature over an image, kept here. */
import { plainText } from '../admission/plain-text.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatRepository, type Reference } from '../oci/reference.ts';
import { BUNDLE_TYPE, makeApproval, type SignedArtifact } from '../signing/approval.ts';
import type { Signer } from '../signing/signer.ts';
import {
  Mistake,
  nameOf,
  parseExpiry,
  parseImage,
  type ApprovalArguments,
} from './approval-arguments.ts';
import type { ApprovalsDesk, FoundManifest, KeyDesk } from './approvals-desk.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

const MAX_LINE = 2000;
/** Platforms of an index that are named. */
const TOLD = 8;

/** What is to be signed. */
interface Subject extends FoundManifest {
  readonly reference: Reference;
  /** As it was asked for. */
  readonly name: string;
  readonly manifest: Manifest;
}

/**
 * Signs what a tag or digest means, whether it is admitted or not, and puts the signature into the records.
 * @returns 1 where there is nothing to sign, or nobody said yes, 2 for what makes no sense, 3 where upstream could not be
 * asked, or a running proxy did not say that it noticed.
 */
export async function approve(
  options: ApprovalArguments,
  desk: ApprovalsDesk,
  keys: KeyDesk,
  io: CommandIo,
): Promise<ExitCode> {
  const { rest, key, note, expires, yes } = options;
  const [text = ''] = rest;
  if (key === undefined)
    throw new Mistake('expected --key FILE, hashivault://KEY or awskms:///KEY');
  const until = expires === undefined ? undefined : parseExpiry(expires, desk.now());
  const say = (line: string): void => {
    io.out(plainText(line, MAX_LINE));
  };
  const subject = await findSubject(text, desk, say);
  if (subject === undefined) {
    io.err(plainText(`${text} is nowhere to be found: there is nothing to approve`, MAX_LINE));
    return EXIT.denied;
  }
  for (const line of describeManifest(subject)) say(line);
  const signer = await keys.openSigner(key);
  try {
    const { fingerprint } = signer.publicKey;
    const end = until === undefined ? 'for good' : `until ${new Date(until).toISOString()}`;
    say(`to be approved ${end} by the key ${fingerprint} (${key})`);
    const earlier = await findEarlier(subject, fingerprint, desk);
    if (earlier !== undefined) say(earlier);
    if (!yes) {
      const agreed = await keys.confirm('sign it?');
      if (agreed === undefined) throw new Mistake('expected --yes: there is no terminal to ask on');
      if (!agreed) {
        io.err('nothing was signed');
        return EXIT.denied;
      }
    }
    const artifact = await sign(subject, signer, { note, until, now: desk.now() });
    await keep(subject, artifact, signer, { note, until }, desk);
    say(`signed: ${artifact.manifest.digest} is attached to ${subject.digest}`);
    for (const line of advise(subject, fingerprint, desk)) {
      io.err(plainText(line, MAX_LINE));
    }
    return await noticed(desk, io);
  } finally {
    await signer.close();
  }
}

async function findSubject(
  text: string,
  desk: ApprovalsDesk,
  say: (line: string) => void,
): Promise<Subject | undefined> {
  const reference = parseImage(text, desk);
  const name = nameOf(text, reference);
  const digest = await digestFor(reference, name, desk, say);
  if (digest === undefined) return undefined;
  const found = await desk.findManifest(reference.repository, digest);
  if (found === undefined) return undefined;
  try {
    const manifest = parseManifest(found.bytes, found.contentType);
    return { ...found, reference, name, manifest };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Mistake(`${digest} is no image: ${error.message}`);
  }
}

async function digestFor(
  { repository, tag, digest }: Reference,
  name: string,
  desk: ApprovalsDesk,
  say: (line: string) => void,
): Promise<Digest | undefined> {
  if (digest !== undefined) {
    say(name);
    return digest;
  }
  const meaning = await desk.resolve(repository, tag);
  if (meaning === undefined) return undefined;
  const who = meaning.from === 'pin' ? 'by its pin, since its upstream is offline' : 'upstream';
  say(`${name} is ${meaning.digest} ${who}`);
  const { served } = meaning;
  if (served !== undefined && served !== meaning.digest) {
    say(`here it means ${served} for the time being, which is not what is approved`);
  }
  return meaning.digest;
}

function describeManifest({ manifest, bytes }: Subject): readonly string[] {
  if (manifest.kind === 'image') return [`one image of ${manifest.layers.length} layers`];
  const { manifests } = manifest;
  const platforms = [...new Set(manifests.flatMap(({ platform = 'unknown' }) => [platform]))];
  const more = platforms.length - TOLD;
  const told = platforms.slice(0, TOLD).join(', ');
  return [
    `an index of ${manifests.length} manifests in ${bytes.length} bytes: ${told}${more > 0 ? ` and ${more} more` : ''}`,
    'whoever approves an index approves everything that it names',
  ];
}

/** What the key said of the image before: it speaks once of each. */
async function findEarlier(
  { reference: { repository }, digest }: Subject,
  fingerprint: Digest,
  desk: ApprovalsDesk,
): Promise<string | undefined> {
  const known = await (await desk.records('write')).listApprovals();
  const earlier = known.find(
    ({ key, subject, repository: { registry, path } }) =>
      key === fingerprint &&
      subject === digest &&
      registry === repository.registry &&
      path === repository.path,
  );
  if (earlier === undefined) return undefined;
  const { reference, expires, revoked } = earlier;
  if (revoked !== undefined) return 'this key was revoked for it: whatever it signed counts again';
  const end = expires === undefined ? 'for good' : `until ${new Date(expires).toISOString()}`;
  return `it takes the place of the approval of ${reference} ${end}`;
}

interface Terms {
  readonly note: string | undefined;
  /** Milliseconds since the epoch; undefined for good. */
  readonly until: number | undefined;
}

function sign(
  { reference, name, digest, bytes, manifest }: Subject,
  signer: Signer,
  { note, until, now }: Terms & { readonly now: number },
): Promise<SignedArtifact> {
  const subject = { mediaType: manifest.mediaType, digest, size: bytes.length };
  // Rules may bind signatures to names, in which a digest says nothing.
  const signed = reference.tag === undefined ? (name.split('@')[0] ?? name) : name;
  return makeApproval(signer, { subject, reference: signed, note, expires: until, now });
}

async function keep(
  { reference, name, digest }: Subject,
  { manifest, blobs, signedAt: approvedAt }: SignedArtifact,
  { publicKey }: Signer,
  { note = '', until }: Terms,
  desk: ApprovalsDesk,
): Promise<void> {
  const records = await desk.records('write');
  await records.approve(
    {
      repository: reference.repository,
      subject: digest,
      key: publicKey.fingerprint,
      reference: name,
      note,
      approvedAt,
      manifest: manifest.digest,
      ...(until === undefined ? {} : { expires: until }),
    },
    {
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.length,
      artifactType: BUNDLE_TYPE,
      annotations: manifest.annotations,
    },
    [manifest, ...blobs],
  );
}

/** What must be in the configuration for the approval to count. */
function advise(
  { reference: { repository }, name, digest }: Subject,
  fingerprint: Digest,
  desk: ApprovalsDesk,
): readonly string[] {
  const { trustRoots, rule } = desk.meaningOf(repository, fingerprint);
  const told = JSON.stringify(rule?.name);
  if (trustRoots.length === 0) {
    return [
      'no trust root of the configuration has this key yet, so it counts for no rule: put what countersign approvals public-key prints into trustRoots',
    ];
  }
  if (rule === undefined)
    return [`no rule governs ${formatRepository(repository)}: it stays refused`];
  if (!rule.asksForIt) return [`rule ${told} does not ask for a key of ${trustRoots.join(', ')}`];
  if (!rule.bindsTag || name !== `${formatRepository(repository)}@${digest}`) return [];
  return [
    `rule ${told} binds signatures to the tag, so it counts for no tag: approve NAME:TAG, or NAME:TAG@DIGEST`,
  ];
}

/** Tells what a running proxy makes of it; see {@link ApprovalsDesk.awaitNotice}. */
export async function noticed(desk: ApprovalsDesk, io: CommandIo): Promise<ExitCode> {
  if ((await desk.awaitNotice()) !== 'late') return EXIT.ok;
  io.err('it is written, and the running proxy has not said yet that it noticed');
  return EXIT.undetermined;
}
