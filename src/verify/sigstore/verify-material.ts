/** From one signature with all that came along to who made it: under each trust root for itself. */
import type { CertificateSigner, LogInclusion, ProvenTime, Signer } from '../../policy/evidence.ts';
import { describeSigner } from '../../policy/evidence.ts';
import { parseCertificate, type Certificate } from '../../trust/certificate.ts';
import type { PublicKey } from '../../trust/public-key.ts';
import type { PublicKeysRoot, SigstoreRoot, TrustRoot } from '../../trust/trust-root.ts';
import { MAX_HASHED } from '../bounds.ts';
import { UntrustedError, type CheckContext } from '../candidate.ts';
import { attemptAll } from './attempts.ts';
import { findCertificatePath } from './certificate-path.ts';
import { verifyCertificateTransparency } from './certificate-transparency.ts';
import { readIdentity } from './identity.ts';
import { requireCodeSigningLeaf } from './leaf.ts';
import type { SignedMaterial } from './material.ts';
import { observe } from './observations.ts';
import { signatureCheck, signedBytes } from './signed-content.ts';

/** Who made a signature, and who saw it: the part of evidence that does not depend on what is signed. */
export interface Proven {
  readonly signer: Signer;
  readonly logs: readonly LogInclusion[];
  readonly certificateLogs: readonly string[];
  readonly times: readonly ProvenTime[];
  readonly validUntil?: number;
}

/**
 * Verifies a bundle's signature: the verification material in it decides whether by a key or by a certificate.
 * @throws {SyntaxError} when it does not hold. @throws {UntrustedError} when nobody we trust made it.
 */
export function verifyMaterial(material: SignedMaterial, context: CheckContext): readonly Proven[] {
  return material.verifier.kind === 'key'
    ? verifyByKey(material, context)
    : verifyByCertificate(material, context);
}

/**
 * Verifies a legacy signature. A rule that trusts keys asks whether one of them made it, whatever certificate stands
 * beside it, and a rule that trusts an instance asks for the certificate (cosign: the key that is given is used).
 * @throws as {@link verifyMaterial} does.
 */
export function verifyLegacyMaterial(
  material: SignedMaterial,
  context: CheckContext,
): readonly Proven[] {
  if (material.verifier.kind === 'key') return verifyByKey(material, context);
  const attempts = [
    ...(context.roots.some(isKeys) ? [() => verifyByKey(material, context)] : []),
    ...(context.roots.some(isSigstore) ? [() => verifyByCertificate(material, context)] : []),
  ];
  return attemptAll(attempts, 'nobody is trusted');
}

function isKeys(root: TrustRoot): root is PublicKeysRoot {
  return root.kind === 'public-keys';
}

function isSigstore(root: TrustRoot): root is SigstoreRoot {
  return root.kind === 'sigstore';
}

function verifyByKey(material: SignedMaterial, { roots, now }: CheckContext): readonly Proven[] {
  const trusted = roots.filter(isKeys);
  if (trusted.length === 0) {
    throw new UntrustedError('it is signed by a key, and the rule trusts identities alone');
  }
  requireBoundedWork(material, trusted);
  const matches = signatureCheck(material);
  const signers = trusted.flatMap(({ name, keys }) =>
    keys.filter(matches).map((key) => ({ name, key })),
  );
  if (signers.length === 0) {
    throw new UntrustedError('the signature is by none of the trusted keys');
  }
  return signers.map(({ name, key }) => {
    const verifier = loggedVerifier(material, key);
    const seen = roots.filter(isSigstore).map((root) => observe(material, verifier, root, now));
    const { fingerprint, label } = key;
    return {
      signer: { kind: 'key', trustRoot: name, fingerprint, label },
      logs: seen.flatMap(({ logs }) => logs),
      certificateLogs: [],
      times: seen.flatMap(({ times }) => times),
    };
  });
}

/** Every key hashes what it verifies, up to six times. */
function requireBoundedWork(material: SignedMaterial, roots: readonly PublicKeysRoot[]): void {
  const bytes = signedBytes(material.content)?.length ?? 0;
  const keys = roots.reduce((count, root) => count + root.keys.length, 0);
  if (bytes * keys > MAX_HASHED) {
    throw new SyntaxError(`it signs ${bytes} bytes, too many to try ${keys} keys on`);
  }
}

/** cosign logs the certificate where it was given one along with its key. */
function loggedVerifier({ verifier }: SignedMaterial, key: PublicKey): PublicKey | Certificate {
  if (verifier.kind === 'key') return key;
  const leaf = parseCertificate(verifier.leaf);
  return leaf.publicKey.fingerprint === key.fingerprint ? leaf : key;
}

function verifyByCertificate(
  material: SignedMaterial,
  { roots, now }: CheckContext,
): readonly Proven[] {
  if (material.verifier.kind === 'key') throw new Error('expected a certificate');
  const leaf = parseCertificate(material.verifier.leaf);
  const chain = material.verifier.chain.map(parseCertificate);
  // It costs little, and says whether there is anything to ask about: a signature by another key is nobody's.
  if (!signatureCheck(material)(leaf.publicKey)) {
    throw new SyntaxError('the signature is not by the key of its certificate');
  }
  const identity = readIdentity(leaf);
  const { fingerprint, notBefore, notAfter } = leaf;
  const signerOf = (trustRoot: string): CertificateSigner => ({
    kind: 'certificate',
    trustRoot,
    fingerprint,
    ...identity,
    notBefore,
    notAfter,
  });
  const who = `signed by ${describeSigner(signerOf(''))}`;
  const trusted = roots.filter(isSigstore);
  if (trusted.length === 0) {
    // sigstore-go "expected key signature, not certificate": one never stands in for the other.
    throw new UntrustedError(`${who}: a certificate never satisfies a key`);
  }
  requireCodeSigningLeaf(leaf);
  const attempts = trusted.map((root) => () => {
    try {
      return [{ signer: signerOf(root.name), ...verifyUnder(root, material, leaf, chain, now) }];
    } catch (error) {
      if (!(error instanceof UntrustedError)) throw error;
      throw new UntrustedError(`${who}: ${error.message}`, { cause: error });
    }
  });
  return attemptAll(attempts, who);
}

/** client-spec §4: log, timestamps, the path at every time that is proven, certificate transparency. */
function verifyUnder(
  root: SigstoreRoot,
  material: SignedMaterial,
  leaf: Certificate,
  chain: readonly Certificate[],
  now: number,
): Omit<Proven, 'signer'> {
  const { certificateAuthorities, certificateLogs } = root.authorities;
  const { logs, times } = observe(material, leaf, root, now);
  const proven = times.map(({ time }) => time);
  const { path, validUntil } =
    proven.length > 0
      ? findCertificatePath(leaf, chain, certificateAuthorities, proven)
      : untimed(() => findCertificatePath(leaf, chain, certificateAuthorities, [now]));
  const issuer = path[1];
  return {
    logs,
    times,
    certificateLogs:
      issuer === undefined ? [] : verifyCertificateTransparency(leaf, issuer, certificateLogs),
    // What is valid at this moment alone is so until the first certificate ends.
    ...(proven.length > 0 ? {} : { validUntil }),
  };
}

/** A path at this moment, for want of a proven time: what does not hold now may well have held then. */
function untimed<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const why = 'no known log or authority proves when it was signed, and';
    throw new SyntaxError(`${why} ${error.message}`, { cause: error });
  }
}
