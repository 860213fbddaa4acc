/** `countersign verify-bundle`: one Sigstore bundle about one artifact; the client protocol of sigstore-conformance. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { plainText } from '../admission/plain-text.ts';
import { isDigest } from '../oci/digest.ts';
import { evaluate } from '../policy/evaluate.ts';
import { parseRequirement, type RequirementSpec } from '../policy/requirement.ts';
import { parsePublicKeys } from '../trust/public-key.ts';
import { publicKeysRoot, sigstoreRoot, type TrustRoot } from '../trust/trust-root.ts';
import { parseTrustedRoot } from '../trust/trusted-root.ts';
import { publicGoodAuthorities } from '../trust/well-known.ts';
import { verifyArtifact, type Artifact } from '../verify/verify-artifact.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

const USAGE =
  'usage: countersign verify-bundle --bundle FILE (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE)' +
  ' [--trusted-root FILE] [--verify-at TIME] FILE_OR_sha256:DIGEST';

/** A command line that makes no sense. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Names that the two trust roots have in evidence and messages. */
const ROOT = 'trusted-root';
const KEYS = 'key';
/** Characters of the answer. */
const MAX_LINE = 2000;

interface Question {
  readonly bundle: Buffer;
  readonly artifact: Artifact;
  readonly roots: readonly TrustRoot[];
  readonly requirement: RequirementSpec;
  readonly now: number;
}

/** @returns 0 when the bundle is valid, 1 when it is not, with one sentence that says why, 2 for a wrong command line. */
export function verifyBundle(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  return Promise.resolve(answer(args, io));
}

function answer(args: readonly string[], io: CommandIo): ExitCode {
  let question: Question;
  try {
    question = readQuestion(args);
  } catch (error) {
    // Nothing is valid under a trusted root or key that cannot be understood.
    if (error instanceof SyntaxError) return refuse(error.message, io);
    if (!(error instanceof UsageError)) throw error;
    io.err(plainText(error.message, MAX_LINE));
    io.err(USAGE);
    return EXIT.usage;
  }
  const { bundle, artifact, roots, now } = question;
  const checked = verifyArtifact(bundle, artifact, { roots, now });
  if (checked.outcome === 'rejected') return refuse(checked.reason, io);
  const requirement = parseRequirement(question.requirement);
  const evaluation = evaluate(requirement, checked.evidence, { complete: true, now });
  if (evaluation.outcome !== 'satisfied')
    return refuse(evaluation.because ?? 'it does not hold', io);
  io.out(plainText(`valid: ${evaluation.by.join(', ')}`, MAX_LINE));
  return EXIT.ok;
}

function refuse(reason: string, io: CommandIo): ExitCode {
  io.err(plainText(`not valid: ${reason}`, MAX_LINE));
  return EXIT.denied;
}

function readQuestion(args: readonly string[]): Question {
  const { values, positionals } = parse(args);
  const [subject, ...more] = positionals;
  if (subject === undefined || more.length > 0) {
    throw new UsageError('expected one file or sha256 digest');
  }
  if (values.bundle === undefined) throw new UsageError('expected --bundle');
  if (values.staging && values['trusted-root'] === undefined) {
    throw new UsageError('the staging instance is not shipped: give its --trusted-root');
  }
  return {
    bundle: read(values.bundle),
    artifact: isDigest(subject)
      ? { kind: 'digest', digest: subject }
      : { kind: 'data', data: read(subject) },
    now: readTime(values['verify-at']),
    ...readTrust(values),
  };
}

type Values = ReturnType<typeof parse>['values'];

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        bundle: { type: 'string' },
        'certificate-identity': { type: 'string' },
        'certificate-oidc-issuer': { type: 'string' },
        key: { type: 'string' },
        'trusted-root': { type: 'string' },
        'verify-at': { type: 'string' },
        staging: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Whom to believe, and what to ask for: the thresholds that rules have unless they say otherwise. */
function readTrust(values: Values): Pick<Question, 'roots' | 'requirement'> {
  const { key, 'certificate-identity': subject, 'certificate-oidc-issuer': issuer } = values;
  const instance = readRoot(values['trusted-root']);
  if (key === undefined) {
    if (!subject || !issuer) {
      throw new UsageError(
        'expected --key, or --certificate-identity with --certificate-oidc-issuer',
      );
    }
    const sigstore = { trustRoot: ROOT, identities: [{ issuer, subject }] };
    return { roots: [instance], requirement: { sigstore } };
  }
  // Two answers to "who may have signed": nobody can mean both.
  if (subject !== undefined || issuer !== undefined) {
    throw new UsageError('expected either --key or an identity');
  }
  const keys = understand(key, () => parsePublicKeys(read(key).toString(), basename(key)));
  return {
    roots: [publicKeysRoot(KEYS, keys), instance],
    // A key needs no proof of when it was used, since it does not expire; that the log has it is asked of it all the same.
    requirement: { key: { trustRoot: KEYS, transparencyLog: 1, logsFrom: ROOT } },
  };
}

function readRoot(file: string | undefined): TrustRoot {
  if (file === undefined) {
    return sigstoreRoot(ROOT, publicGoodAuthorities(), { source: 'shipped with countersign' });
  }
  const authorities = understand(file, () => parseTrustedRoot(read(file)));
  return sigstoreRoot(ROOT, authorities, { source: file });
}

function readTime(text: string | undefined): number {
  if (text === undefined) return Date.now();
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new UsageError(`expected --verify-at to be a time, got ${text}`);
  return time;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}`, { cause: error });
  }
}

function understand<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(
      error.message.startsWith(basename(file))
        ? error.message
        : `${basename(file)}: ${error.message}`,
      { cause: error },
    );
  }
}
