/** The vendor of the simulated month. */
import {
  DAY,
  HOUR,
  lists,
  makeList,
  NOW,
  type Entry,
} from '../../verify/notation/revocation/made-revocation.ts';
import {
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  PURPOSES,
  rootOfStores,
  type Signer,
} from '../notation/certificate.ts';

const SPAN = { notBefore: NOW - DAY, notAfter: NOW + 60 * DAY };

/** Who signs Notation's way, with certificates that name a list of what is revoked. */
export function openVendor() {
  const authority = issueNotationAuthority('root', SPAN);
  const revoked: Entry[] = [];
  const issue = (): Signer =>
    issueSigner({
      ...SPAN,
      issuer: authority,
      extensions: [
        keyUsage(['digitalSignature']),
        extendedKeyUsage([PURPOSES.codeSigning]),
        lists('http://lists.example/'),
      ],
    });
  return {
    signer: issue(),
    root: rootOfStores({ ca: [authority] }),
    listAt: (now: number) =>
      makeList(authority, { thisUpdate: now - HOUR, nextUpdate: now + DAY, entries: revoked }),
    /** The key was stolen: it is revoked, and there is another. */
    revoke(): void {
      revoked.push({ serial: this.signer.serial, reason: 1 });
      this.signer = issue();
    },
  };
}
