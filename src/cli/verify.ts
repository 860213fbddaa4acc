/** `countersign verify REF`: decides as the proxy would, and shows everything it looked at. */
import { isUndetermined, type Decision } from '../admission/decision.ts';
import { plainText } from '../admission/plain-text.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import type { Evaluation } from '../policy/evaluate.ts';
import type { Finding } from '../policy/evidence.ts';
import type { Verdict } from '../policy/verdict.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';
import { drawTree, type Branch } from './tree.ts';

/** A decision made without the proxy's cache. */
export interface Verifier {
  /** The upstream of references without a registry. */
  readonly defaultRegistry: string | undefined;
  isRegistry(name: string): boolean;
  decide(reference: Reference): Promise<Examined>;
}

export interface Examined {
  readonly decision: Decision;
  /** What the rule in force asks for; undefined where no rule governs. */
  readonly requires: string | undefined;
  /** The manifest, also where it is refused; undefined where it could not be fetched. */
  readonly manifest: { readonly bytes: Buffer; readonly contentType: string } | undefined;
}

/** Characters of one line, or of one text of the JSON. */
const MAX_LINE = 2000;

export interface VerifyOptions {
  readonly json: boolean;
}

/** @returns 0 when the proxy would serve it, 1 when not, 2 when the reference makes no sense here, 3 when it cannot tell. */
export async function verify(
  text: string,
  verifier: Verifier,
  { json }: VerifyOptions,
  io: CommandIo,
): Promise<ExitCode> {
  let reference: Reference;
  try {
    reference = parseReference(text, {
      registry: verifier.defaultRegistry,
      isRegistry: (name) => verifier.isRegistry(name),
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    io.err(error.message);
    return EXIT.usage;
  }
  const examined = await verifier.decide(reference);
  // Words of strangers are in it: what a terminal would obey is taken out, line by line.
  const plain = (_name: string, value: unknown): unknown =>
    typeof value === 'string' ? plainText(value, MAX_LINE) : value;
  if (json) io.out(JSON.stringify(toJson(reference, examined), plain, 2));
  else for (const line of drawTree(toTree(reference, examined))) io.out(plainText(line, MAX_LINE));
  return exitCode(examined.decision);
}

function exitCode(decision: Decision): ExitCode {
  if (decision.outcome === 'admitted') return EXIT.ok;
  if (decision.code === 'unknown-upstream') return EXIT.usage;
  return isUndetermined(decision.code) ? EXIT.undetermined : EXIT.denied;
}

/** In one word what the proxy would do. */
function outcomeOf(decision: Decision): 'admitted' | 'denied' | 'undetermined' {
  if (decision.outcome === 'admitted') return 'admitted';
  return isUndetermined(decision.code) ? 'undetermined' : 'denied';
}

function toJson(reference: Reference, { decision, requires, manifest }: Examined): object {
  const { verdict, digest, rule } = decision;
  const admitted = decision.outcome === 'admitted';
  return {
    reference: formatReference(reference),
    outcome: outcomeOf(decision),
    ...(admitted
      ? { warning: decision.warning, exception: exceptionOf(decision.verdict) }
      : { code: decision.code, message: decision.message }),
    digest,
    rule,
    requires,
    reasons: admitted ? decision.verdict.reasons : decision.reasons,
    signers: verdict?.signers ?? [],
    signatures: verdict?.findings ?? [],
    requirement: verdict?.evaluation,
    manifest: describeManifest(manifest),
  };
}

/** With the time as people write it. */
function exceptionOf({ exception }: Verdict): object | undefined {
  if (exception === undefined) return undefined;
  const { digest, reason, expires } = exception;
  return { digest, reason, expires: new Date(expires).toISOString() };
}

function toTree(reference: Reference, { decision, requires, manifest }: Examined): Branch {
  const { verdict, digest, rule } = decision;
  const of: Branch[] = [];
  if (digest !== undefined) of.push({ text: `digest      ${digest}` });
  const shape = describeManifest(manifest);
  if (shape !== undefined) of.push(manifestBranch(shape));
  if (rule !== undefined)
    of.push({ text: `rule        ${rule}${requires === undefined ? '' : `: ${requires}`}` });
  if (verdict !== undefined && requires !== undefined) {
    const found = verdict.findings.map(findingBranch);
    of.push({ text: `signatures  ${found.length === 0 ? 'none found' : found.length}`, of: found });
  }
  if (verdict?.evaluation !== undefined) {
    of.push({ text: 'requirement', of: [evaluationBranch(verdict.evaluation)] });
  }
  of.push({ text: conclusion(decision) });
  return { text: formatReference(reference), of };
}

function conclusion(decision: Decision): string {
  if (decision.outcome === 'refused') {
    return `${outcomeOf(decision).toUpperCase()}: ${decision.reasons.join('; ')}`;
  }
  if (decision.verdict.exception !== undefined) {
    return `ADMITTED BY AN EXCEPTION: ${decision.warning ?? decision.verdict.reasons.join('; ')}`;
  }
  if (decision.warning !== undefined) return `SERVED WITH A WARNING: ${decision.warning}`;
  return `ADMITTED: ${decision.verdict.reasons.join('; ')}`;
}

const MARKS = { verified: '✓', rejected: '✗', ignored: '·' } as const;
const OUTCOMES = { satisfied: '✓', failed: '✗', undetermined: '?' } as const;

function findingBranch({ place, scheme, outcome, text }: Finding): Branch {
  const how = scheme === 'other' ? '' : ` (${scheme})`;
  return { text: `${MARKS[outcome]} ${place}${how}`, of: [{ text }] };
}

function evaluationBranch({ requirement, outcome, by, of }: Evaluation): Branch {
  const who = by.length === 0 ? '' : `, by ${[...new Set(by)].join(' and ')}`;
  return { text: `${OUTCOMES[outcome]} ${requirement}${who}`, of: of.map(evaluationBranch) };
}

interface ManifestShape {
  readonly mediaType: string;
  readonly size: number;
  readonly children?: readonly { readonly digest: string; readonly platform: string | undefined }[];
  readonly layers?: number;
}

function describeManifest(raw: Examined['manifest']): ManifestShape | undefined {
  if (raw === undefined) return undefined;
  let manifest: Manifest;
  try {
    manifest = parseManifest(raw.bytes, raw.contentType);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const base = { mediaType: manifest.mediaType, size: raw.bytes.length };
  return manifest.kind === 'index'
    ? {
        ...base,
        children: manifest.manifests.map(({ digest, platform }) => ({ digest, platform })),
      }
    : { ...base, layers: manifest.layers.length };
}

function manifestBranch({ mediaType, size, children, layers }: ManifestShape): Branch {
  const text = `manifest    ${mediaType}, ${size} bytes`;
  if (children === undefined) {
    return { text: `${text}, ${layers ?? 0} ${layers === 1 ? 'layer' : 'layers'}` };
  }
  return {
    text,
    of: children.map(({ digest, platform }) => ({ text: `${digest} ${platform ?? ''}`.trim() })),
  };
}
