/** Where a certificate says that its revocation can be asked for (RFC 5280 §4.2.1.13, §4.2.2.1). */
import type { Certificate } from '../../../trust/certificate.ts';
import {
  context,
  contextPrimitive,
  inner,
  membersOf,
  readDer,
  requireTag,
  sequence,
  TAG,
  type Der,
} from '../../../trust/der.ts';
import { parseIa5, parseOid } from '../../../trust/der-values.ts';

export interface RevocationPlaces {
  /** Whether the certificate names any place at all, be it one that nobody here may ask. */
  readonly named: boolean;
  /** Addresses of OCSP responders, http alone. */
  readonly ocsp: readonly string[];
  /** Addresses of revocation lists, http alone. */
  readonly lists: readonly string[];
  /** Every name of a distribution point; a list that names its own has to share one of them. */
  readonly listNames: readonly string[];
}

const AUTHORITY_INFORMATION = '1.3.6.1.5.5.7.1.1';
const DISTRIBUTION_POINTS = '2.5.29.31';
const OCSP = '1.3.6.1.5.5.7.48.1';
/** GeneralName `uniformResourceIdentifier`. */
const URI = contextPrimitive(6);
const MAX_ADDRESS = 2048;

/** @throws {SyntaxError} when what the certificate says cannot be read. */
export function readPlaces({ extensions }: Certificate): RevocationPlaces {
  const information = extensions.get(AUTHORITY_INFORMATION);
  const points = extensions.get(DISTRIBUTION_POINTS);
  const responders = information === undefined ? [] : readResponders(information.value);
  const distribution = points === undefined ? [] : readDistributionPoints(points.value);
  return {
    named: responders.length > 0 || points !== undefined,
    ocsp: responders.filter(isAskable),
    // A point for some reasons alone, or of another issuer's lists, never answers for the whole.
    lists: distribution
      .filter(({ isWhole }) => isWhole)
      .flatMap(({ names }) => names)
      .filter(isAskable),
    listNames: distribution.flatMap(({ names }) => names),
  };
}

/** Responders' addresses; one that is no URI is an empty text. */
function readResponders(value: Buffer): readonly string[] {
  const what = 'authorityInfoAccess';
  const list = requireTag(readDer(value, what), TAG.sequence, `${what} to be a list`);
  return membersOf(list, what).flatMap((member) => {
    const fields = sequence(member, what);
    const method = parseOid(fields.takeAny(), 'an access method');
    const location = fields.takeAny();
    fields.end();
    return method === OCSP ? [location?.tag === URI ? readUri(location) : ''] : [];
  });
}

interface DistributionPoint {
  readonly names: readonly string[];
  readonly isWhole: boolean;
}

/** Of cRLDistributionPoints and of freshestCRL. */
export function readDistributionPoints(value: Buffer): readonly DistributionPoint[] {
  const what = 'cRLDistributionPoints';
  const list = requireTag(readDer(value, what), TAG.sequence, `${what} to be a list`);
  return membersOf(list, what).map((member) => {
    const fields = sequence(member, what);
    const name = fields.takeIf(context(0));
    const reasons = fields.takeIf(contextPrimitive(1));
    const issuer = fields.takeIf(context(2));
    fields.end();
    return {
      names: name === undefined ? [] : readPointName(name),
      isWhole: reasons === undefined && issuer === undefined,
    };
  });
}

/** URIs of a DistributionPointName inside its `[0]`; a name relative to the issuer has none. */
export function readPointName(name: Der): readonly string[] {
  const what = 'the name of a distribution point';
  const choice = inner(name, what);
  if (choice.tag === context(1)) return [];
  return membersOf(requireTag(choice, context(0), what), what)
    .filter(({ tag }) => tag === URI)
    .map(readUri);
}

function readUri({ content }: Der): string {
  if (content.length > MAX_ADDRESS) {
    throw new SyntaxError(`expected an address of at most ${MAX_ADDRESS} characters`);
  }
  return parseIa5(content, 'an address');
}

/**
 * http alone, as the specification has it: what comes back is signed, and asking over TLS would ask for the standing of
 * yet another certificate.
 */
export function isAskable(address: string): boolean {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  return url?.protocol === 'http:' && url.username === '' && url.password === '';
}
