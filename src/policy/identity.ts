/** Whom a keyless requirement means: issuer, subject and extensions of a certificate, exact or by pattern. */
import { EXTENSION_NAMES } from './certificate-extension.ts';
import type { CertificateSigner } from './evidence.ts';
import { suggestName } from './near-name.ts';
import { parseTextPattern } from './text-pattern.ts';

/** One identity as configuration spells it: exactly one of each pair. */
export interface IdentitySpec {
  readonly issuer?: string | undefined;
  /** RE2; the whole issuer must be of it. */
  readonly issuerPattern?: string | undefined;
  readonly subject?: string | undefined;
  /** RE2; the whole of one subject alternative name must be of it. */
  readonly subjectPattern?: string | undefined;
  /** By name, e.g. `sourceRepositoryURI`; all of them must be there. */
  readonly extensions?: Readonly<Record<string, string | { readonly pattern: string }>> | undefined;
}

/** An expected text. */
interface Expected {
  /** For people. */
  readonly text: string;
  readonly matches: (text: string) => boolean;
}

/** One compiled identity. */
export interface Identity {
  readonly issuer: Expected;
  readonly subject: Expected;
  readonly extensions: readonly (readonly [name: string, expected: Expected])[];
}

const MAX_TEXT = 4096;
/** Signers that nobody can mean: an identity that takes one of them takes anybody. */
const STRANGERS = [
  [
    'https://5f0c.invalid/b1',
    'https://9e27.invalid/c4/d8@refs/heads/e6',
    'https://9e27.invalid/c4',
  ],
  ['https://5f0c.invalid/b1', 'c4d8@9e27.invalid', '83521764'],
  ['5f0c', '9e27', '9e27'],
  // Somebody of whom nothing is known but that a public issuer knows them, as it knows everybody.
  [
    'https://token.actions.githubusercontent.com',
    'https://github.com/5f0c9e27/c4/.github/workflows/d8.yml@refs/heads/e6',
    'https://github.com/5f0c9e27/c4',
  ],
  [
    'https://gitlab.com',
    'https://gitlab.com/5f0c9e27/c4//.gitlab-ci.yml@refs/heads/e6',
    'https://gitlab.com/5f0c9e27/c4',
  ],
  ['https://accounts.google.com', '5f0c9e27@gmail.com', '83521764'],
  ['https://github.com/login/oauth', '5f0c9e27@gmail.com', '83521764'],
  ['https://login.microsoftonline.com', '5f0c9e27@outlook.com', '83521764'],
] as const;
/** Extensions that name nobody, and values that everybody can have in them. */
const NAMELESS = new Set([
  'runnerEnvironment',
  'buildTrigger',
  'githubWorkflowTrigger',
  'sourceRepositoryVisibilityAtSigning',
]);
const COMMON = [
  ...['github-hosted', 'self-hosted', 'gitlab-hosted'],
  ...['push', 'pull_request', 'workflow_dispatch', 'workflow_call', 'schedule', 'release'],
  ...['public', 'private', 'internal'],
];

/**
 * Reads one identity.
 * @throws {SyntaxError} when issuer or subject is missing or said twice, a pattern is wrong, an extension is unknown, or
 * the identity would accept anybody.
 */
export function parseIdentity(spec: IdentitySpec): Identity {
  const identity = {
    issuer: oneOf('issuer', spec.issuer, spec.issuerPattern),
    subject: oneOf('subject', spec.subject, spec.subjectPattern),
    extensions: Object.entries(spec.extensions ?? {}).map(
      ([name, value]) => [knownExtension(name), expectedExtension(name, value)] as const,
    ),
  };
  const { issuer, subject, extensions } = identity;
  if (
    STRANGERS.some(
      ([anIssuer, aSubject, aValue]) =>
        issuer.matches(anIssuer) &&
        subject.matches(aSubject) &&
        extensions.every(
          ([name, expected]) =>
            expected.matches(aValue) || (NAMELESS.has(name) && COMMON.some(expected.matches)),
        ),
    )
  ) {
    throw new SyntaxError(
      `the identity ${describeIdentity(identity)} accepts anybody: name the issuer or the subject more closely`,
    );
  }
  return identity;
}

/**
 * Whether the certificate is of the identity: its issuer, one of its subjects and every extension, all of the same
 * identity. Letters count in their case, patterns are whole-text.
 */
export function matchesIdentity(identity: Identity, signer: CertificateSigner): boolean {
  const { issuer, subjects, extensions } = signer;
  return (
    issuer !== undefined &&
    identity.issuer.matches(issuer) &&
    subjects.some(({ value }) => identity.subject.matches(value)) &&
    identity.extensions.every(([name, expected]) => {
      const value = Object.hasOwn(extensions, name) ? extensions[name] : undefined;
      return value !== undefined && expected.matches(value);
    })
  );
}

/** `https://github.com/… (issuer https://…, sourceRepositoryURI https://…)` */
export function describeIdentity({ issuer, subject, extensions }: Identity): string {
  const rest = extensions.map(([name, expected]) => `, ${name} ${expected.text}`).join('');
  return `${subject.text} (issuer ${issuer.text}${rest})`;
}

function oneOf(what: string, exact: string | undefined, pattern: string | undefined): Expected {
  if (exact !== undefined && pattern === undefined) return exactly(what, exact);
  if (pattern !== undefined && exact === undefined) return alike(`${what}Pattern`, pattern);
  throw new SyntaxError(`expected exactly one of ${what} and ${what}Pattern in an identity`);
}

function expectedExtension(name: string, value: string | { readonly pattern: string }): Expected {
  return typeof value === 'string' ? exactly(name, value) : alike(name, value.pattern);
}

function exactly(what: string, text: string): Expected {
  // An empty word would be no demand at all to many a verifier: refuse rather than guess.
  if (text === '') throw new SyntaxError(`expected ${what} to name somebody, got an empty text`);
  return { text, matches: (other) => other === text };
}

function alike(what: string, text: string): Expected {
  try {
    const pattern = parseTextPattern(text);
    return {
      text: `/${text}/`,
      matches: (other) => other.length <= MAX_TEXT && pattern.matchesAll(other),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${what}: ${error.message}`, { cause: error });
  }
}

function knownExtension(name: string): string {
  if (EXTENSION_NAMES.includes(name)) return name;
  throw new SyntaxError(
    `unknown certificate extension ${JSON.stringify(name)}${suggestName(name, EXTENSION_NAMES)}`,
  );
}
