/** Bare timestamp tokens, as Notation envelopes carry them, by the authorities that Sigstore's helpers make. */
import { membersOf, readDer } from '../../../src/trust/der.ts';
import {
  createTimestampAuthority,
  type StampOptions,
  type TimestampAuthority,
} from '../sigstore/timestamp-authority.ts';
import type { Issued } from '../sigstore/certificate.ts';
import { NOTATION_TIME } from './certificate.ts';

export function createNotationTsa(name?: string): TimestampAuthority {
  return createTimestampAuthority({ clock: () => NOTATION_TIME, ...(name && { name }) });
}

/** The authority's root, for a `tsa` store. */
export function tsaRoot({ chain }: TimestampAuthority): Issued {
  const root = chain.at(-1);
  if (root === undefined) throw new Error('expected an authority with a root');
  return root;
}

/** A token over the bytes, with all certificates but the root unless told. */
export function tokenOver(
  tsa: TimestampAuthority,
  data: Uint8Array,
  options: StampOptions = {},
): Buffer {
  const embed = tsa.chain.slice(0, -1);
  const [, token] = membersOf(readDer(tsa.stamp(data, { embed, ...options }), 'it'), 'it');
  if (token === undefined) throw new Error('expected a response with a token');
  return token.raw;
}
