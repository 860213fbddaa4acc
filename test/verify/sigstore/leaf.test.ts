/** The signer's own certificate: for code signing, and no authority (what sigstore-js leaves unchecked). */
import t from 'tap';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { requireCodeSigningLeaf } from '../../../src/verify/sigstore/leaf.ts';
import {
  caExtensions,
  EKU,
  issueCertificate,
  leafExtensions,
  type Extension,
} from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';

const ANY = '2.5.29.37.0';
const check = (extensions: readonly Extension[]): void => {
  const { der: bytes } = issueCertificate({ notBefore: 0, notAfter: 1000, extensions });
  requireCodeSigningLeaf(parseCertificate(bytes));
};
const [ca] = caExtensions();
const [, codeSigning] = leafExtensions([EKU.codeSigning]);
if (ca === undefined || codeSigning === undefined) throw new Error('expected extensions');
const encipherment: Extension = { oid: '2.5.29.15', value: der.bits(Buffer.from([0x20]), 5) };
const poison: Extension = { oid: '1.3.6.1.4.1.11129.2.4.3', critical: true, value: der.nothing() };

t.test('takes a leaf for code signing, whatever else it is for', async (t) => {
  t.doesNotThrow(() => {
    check(leafExtensions([EKU.codeSigning]));
  });
  t.doesNotThrow(() => {
    check(leafExtensions([ANY, EKU.codeSigning]));
  });
  t.doesNotThrow(() => {
    check([codeSigning]);
  }, 'without keyUsage everything is allowed');
});

const refused: readonly (readonly [
  title: string,
  extensions: readonly Extension[],
  message: RegExp,
])[] = [
  ['says CA:TRUE', [...leafExtensions([EKU.codeSigning]), ca], /one of an authority/],
  ['names no purpose', leafExtensions([]), /not for code signing/],
  ['is for timestamps', leafExtensions([EKU.timeStamping]), /not for code signing/],
  ['is for anything', leafExtensions([ANY]), /not for code signing/],
  ['has a key that does not sign', [codeSigning, encipherment], /not for signatures/],
  ['is a precertificate', [codeSigning, poison], /unknown critical extension 1\.3\.6/],
];
for (const [title, extensions, message] of refused) {
  t.test(`refuses one that ${title}`, async (t) => {
    t.throws(
      () => {
        check(extensions);
      },
      { name: 'SyntaxError', message },
    );
  });
}
