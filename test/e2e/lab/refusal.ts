/** A refusal as the person at a client meets it: no image, and a sentence that says which rule and why. */
import type { Test } from 'tap';
import { tag, type Case } from './cases.ts';
import type { Client, ClientKind } from './clients/client.ts';

export interface ExplainedRefusal extends Case {
  /** Name of the rule that refuses. */
  readonly rule: string;
  /** What clients say that show messages. */
  readonly because: RegExp;
}

/** Asks for it by its tag and by its digest. */
export async function isRefused(
  t: Test,
  kind: ClientKind,
  client: Client,
  { rule, repository, image, because }: ExplainedRefusal,
): Promise<void> {
  for (const reference of [tag, image.digest]) {
    const { ok, output } = await client.pull({ repository, reference });
    t.notOk(ok, `is not pulled as ${reference}`, { clientSaid: output });
    const said = output.replaceAll(/\s+/g, ' ');
    if (kind.voice === 'message') {
      t.match(said, rule, 'names the rule');
      t.match(said, because, 'says why');
      t.match(said, image.digest, 'names the digest');
    } else {
      t.match(said, '403 Forbidden by countersign', 'says who refused');
    }
  }
}
