/** Lists that come in pages: read to their end, or to a bound that is told. */
import { findNextLink } from '../upstream/link.ts';
import { failed, got, type Answer } from './answer.ts';
import { CLIENT_BOUNDS } from './bounds.ts';

export interface Pages<T> {
  /** Path of the first page. */
  readonly first: string;
  /** Items over all pages. */
  readonly most: number;
  readonly ask: (
    path: string,
  ) => Promise<Answer<{ readonly bytes: Buffer; readonly link: string | undefined }>>;
  /** @throws {SyntaxError} for what is no such page. */
  readonly itemsOf: (page: Buffer) => readonly T[];
}

/** Every page must be at the same place; a list longer than its bounds is a failure, not a short list. */
export async function readPages<T>(pages: Pages<T>): Promise<Answer<readonly T[]>> {
  const items: T[] = [];
  let path = pages.first;
  for (let number = 0; number < CLIENT_BOUNDS.pages; number++) {
    const page = await pages.ask(path);
    if (page.outcome !== 'got') return page;
    try {
      // Not spread: an argument each is more than a call takes.
      for (const item of pages.itemsOf(page.value.bytes)) items.push(item);
    } catch (error) {
      if (error instanceof SyntaxError) return failed(`${path}: ${error.message}`);
      throw error;
    }
    if (items.length > pages.most) {
      return failed(`${pages.first}: expected at most ${pages.most} entries, got more`);
    }
    const link = findNextLink(page.value.link);
    if (link === undefined) return got(items);
    const next = URL.parse(link, `http://proxy${path}`);
    if (next === null || decodeURI(next.pathname) !== pages.first) {
      return failed(`${pages.first}: expected the next page at the same place, got another`);
    }
    path = next.pathname + next.search;
  }
  return failed(`${pages.first}: expected at most ${CLIENT_BOUNDS.pages} pages, got more`);
}
