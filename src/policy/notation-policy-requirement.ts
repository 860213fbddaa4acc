/** What a rule demands that leaves it to Notation's own trust policy: which statement applies, the repository says. */
import { formatRepository, type Repository } from '../oci/reference.ts';
import {
  parseAnnotations,
  type NotationRequirement,
  type NotationSpec,
} from './notation-requirement.ts';
import type { TrustPolicyStatement } from './notation-trust-policy.ts';

export interface NotationPolicyRequirement {
  readonly kind: 'notation-policy';
  readonly trustRoot: string;
  /** User metadata that the signature has to carry. */
  readonly annotations: ReadonlyMap<string, string>;
  /** What the policy says of the repository, where no signature is looked at; absent until it is asked. */
  readonly answer?: PolicyAnswer;
}

export type PolicyAnswer =
  /** No statement is for the repository: nobody is trusted there. */
  | { readonly kind: 'no-statement'; readonly repository: string }
  /** What is there is accepted without verification. */
  | { readonly kind: 'skip'; readonly statement: string; readonly repository: string };

/**
 * Reads a requirement that names no identities.
 * @throws {SyntaxError} for what the trust policy says itself, and for annotations that no user may set.
 */
export function parseNotationPolicy(spec: NotationSpec): NotationPolicyRequirement {
  const said = (['level', 'override', 'timestamps'] as const).find(
    (key) => spec[key] !== undefined,
  );
  if (said !== undefined) throw new SyntaxError(`expected identities beside ${said}`);
  return {
    kind: 'notation-policy',
    trustRoot: spec.trustRoot,
    annotations: parseAnnotations(spec),
  };
}

/**
 * What the requirement comes to in a repository whose statement this is (trust-store-trust-policy.md "Signature
 * Verification details"): a signature of the statement's identities, nothing at all, or what nobody can satisfy.
 * @param statement the one that was selected; undefined where none applies.
 */
export function underStatement(
  requirement: NotationPolicyRequirement,
  statement: TrustPolicyStatement | undefined,
  repository: Repository,
): NotationRequirement | NotationPolicyRequirement {
  const name = formatRepository(repository);
  if (statement === undefined) {
    return { ...requirement, answer: { kind: 'no-statement', repository: name } };
  }
  if (statement.verification === 'skip') {
    return {
      ...requirement,
      answer: { kind: 'skip', statement: statement.name, repository: name },
    };
  }
  const { trustRoot, annotations } = requirement;
  const { identities, level, verifyTimestamp } = statement;
  return {
    kind: 'notation',
    trustRoot,
    identities,
    level,
    verifyTimestamp,
    annotations,
    statement: statement.name,
  };
}

/** `notation under the trust policy of corp` */
export function describeNotationPolicy({ trustRoot, answer }: NotationPolicyRequirement): string {
  const policy = `notation under the trust policy of ${trustRoot}`;
  return answer?.kind === 'skip'
    ? `${policy} (statement ${JSON.stringify(answer.statement)})`
    : policy;
}

/** Whether the policy alone satisfies the requirement, and why or why not, as one sentence. */
export function judgeByPolicy({ trustRoot, annotations, answer }: NotationPolicyRequirement): {
  readonly satisfied: boolean;
  readonly reason: string;
} {
  if (answer === undefined) {
    return { satisfied: false, reason: `the trust policy of ${trustRoot} was not asked` };
  }
  const { repository } = answer;
  if (answer.kind === 'no-statement') {
    return {
      satisfied: false,
      reason: `no statement of the trust policy of ${trustRoot} applies to ${repository}: none of its registryScopes is this name or "*"`,
    };
  }
  const skips = `statement ${JSON.stringify(answer.statement)} of the trust policy of ${trustRoot} skips verification for ${repository}`;
  // Nothing says who wrote the annotations of what nobody signed.
  return annotations.size === 0
    ? { satisfied: true, reason: `accepted without verification: ${skips}` }
    : { satisfied: false, reason: `${skips}, but the rule demands annotations, which are signed` };
}
