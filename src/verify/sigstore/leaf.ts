/** What a signer's own certificate has to be: for code signing, and no authority. */
import type { Certificate } from '../../trust/certificate.ts';
import { findUnknownCritical } from '../../trust/x509-extensions.ts';
import { PURPOSE } from './certificate-path.ts';

/**
 * Requires that signatures with the certificate's key over code are what it was issued for.
 * @throws {SyntaxError} saying what it is instead.
 */
export function requireCodeSigningLeaf(leaf: Certificate): void {
  if (leaf.claimsCa) throw new SyntaxError("the signer's certificate is one of an authority");
  // RFC 5280 §4.2.1.12: anyExtendedKeyUsage alone says nothing about code.
  if (leaf.extendedKeyUsage?.includes(PURPOSE.codeSigning) !== true) {
    throw new SyntaxError("the signer's certificate is not for code signing");
  }
  if (leaf.keyUsage?.has('digitalSignature') === false) {
    throw new SyntaxError("the key of the signer's certificate is not for signatures");
  }
  const unknown = findUnknownCritical(leaf.extensions);
  if (unknown !== undefined) {
    throw new SyntaxError(`the signer's certificate has the unknown critical extension ${unknown}`);
  }
}
