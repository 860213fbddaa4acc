/** Revocation lists that a site supplies: those that nobody here understands are told with the configuration. */
import t, { type Test } from 'tap';
import { inspectRules } from '../../src/app/rules.ts';
import { loadText, problemsOf } from '../helpers/config-file.ts';
import { issueNotationAuthority } from '../helpers/notation/certificate.ts';
import { toPem } from '../helpers/sigstore/key.ts';
import {
  makeList,
  scope,
  scopeFlag,
  UNKNOWN_CRITICAL,
  type ListChange,
} from '../verify/notation/revocation/made-revocation.ts';

const ca = issueNotationAuthority('root');
const TEXT = 'trustRoots: { it: { notation: { ca: [ca.pem], revocationLists: [ca.crl] } } }';

const open = (change: ListChange) => ({
  files: { 'ca.pem': ca.pem, 'ca.crl': toPem('X509 CRL', makeList(ca, change)) },
  inspect: inspectRules,
});
const problemsWith = (t: Test, change: ListChange) => problemsOf(t, TEXT, open(change));

t.test('a list that can be used is read', async (t) => {
  t.equal(loadText(t, TEXT, open({})).trustRoots.length, 1);
});

t.test('a list that nobody understands is named with what is wrong', async (t) => {
  const cases: readonly (readonly [ListChange, RegExp])[] = [
    [{ extensions: [UNKNOWN_CRITICAL] }, /ca\.crl: .*unknown critical extension 1\.2\.3\.4/],
    [{ extensions: [scope(scopeFlag(4))] }, /ca\.crl: .*of its own issuer/],
    [{ version: 7 }, /ca\.crl: expected a revocation list of version 2/],
  ];
  for (const [change, message] of cases) {
    t.match(problemsWith(t, change), message);
  }
});
