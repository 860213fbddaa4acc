/** The Link header by which registries page: RFC 8288, distribution-spec "Listing Referrers". */

/** The target of the first link with `rel=next`, as it stands between the brackets; undefined without one. */
export function findNextLink(header: string | readonly string[] | undefined): string | undefined {
  const text = (typeof header === 'string' ? [header] : (header ?? [])).join(', ');
  // Targets cannot contain '>', and quoted parameters may contain anything.
  const link = /<([^<>]*)>((?:[^",<>]|"(?:[^"\\]|\\.)*")*)/g;
  for (const [, target, parameters = ''] of text.matchAll(link)) {
    if (/;\s*rel\s*=\s*(?:next\s*(?:;|$)|"(?:[^"]*\s)?next(?:\s[^"]*)?")/i.test(parameters)) {
      return target;
    }
  }
  return undefined;
}
