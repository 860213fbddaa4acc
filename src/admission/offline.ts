/** Rules where the operator forbids to ask the upstream: what is pinned stays as it is. */
import type { Rule } from '../policy/rule.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The rule, under which neither pins nor decisions about an upstream that is never asked are ever old. */
export function ruleFor(upstream: Upstream, rule: Rule): Rule {
  if (upstream.isOffline !== true) return rule;
  const forever = Number.POSITIVE_INFINITY;
  return {
    ...rule,
    reverify: forever,
    tags: { ...rule.tags, refresh: forever, maxStale: forever },
  };
}
