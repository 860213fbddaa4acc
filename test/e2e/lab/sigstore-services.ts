/** The HTTP faces of a Sigstore stand-in: Fulcio, Rekor of both versions, a timestamp authority. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { ASN1Obj } from '@sigstore/core';
import { ALGORITHM_NAMES } from '../../helpers/sigstore/entry-body.ts';
import { foreignKey, sha, type HashName } from '../../helpers/sigstore/key.ts';
import type { Name } from '../../helpers/sigstore/leaf.ts';
import type { Sigstore } from '../../helpers/sigstore/sigstore.ts';
import type { EntryBody } from '../../helpers/sigstore/transparency-log.ts';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Question {
  readonly body: Buffer;
  /** The bearer token of `Authorization`. */
  readonly token: string;
}

export type Service = (question: Question) => Answer;

/** By path; all are asked by POST. */
export function servicesOf(sigstore: Sigstore): Readonly<Record<string, Service>> {
  return {
    '/api/v1/signingCert': (question) => certify1(sigstore, question),
    '/api/v2/signingCert': (question) => certify2(sigstore, question),
    '/api/v1/log/entries': ({ body }) => log1(sigstore, body),
    '/api/v2/log/entries': ({ body }) => log2(sigstore, body),
    '/api/v1/timestamp': ({ body }) => stamp(sigstore, body),
  };
}

/** An identity token that nobody signed; the stand-in believes it. */
export function identityToken(issuer: string, subject: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, sub: subject, aud: 'sigstore', iat: now, exp: now + 3600 };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${part({})}`;
}

function json(value: unknown): Answer {
  return { status: 201, type: 'application/json', body: JSON.stringify(value) };
}

function issue(sigstore: Sigstore, token: string, publicKey: string | Buffer): readonly string[] {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    readonly iss: string;
    readonly sub: string;
  };
  const name: Name = claims.sub.includes('://') ? { uri: claims.sub } : { email: claims.sub };
  const read =
    typeof publicKey === 'string'
      ? createPublicKey(publicKey)
      : createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const leaf = sigstore.leaf({ key: foreignKey(read), issuer: claims.iss, names: [name] });
  return [leaf.pem, sigstore.intermediate.pem, sigstore.certificateRoot.pem];
}

/** What cosign 2 asks. */
function certify1(sigstore: Sigstore, { body, token }: Question): Answer {
  const { publicKey } = JSON.parse(body.toString()) as { publicKey: { content: string } };
  const chain = issue(sigstore, token, Buffer.from(publicKey.content, 'base64').toString());
  return { status: 201, type: 'application/pem-certificate-chain', body: chain.join('') };
}

/** What cosign 3 and sigstore-js ask. */
function certify2(sigstore: Sigstore, { body, token }: Question): Answer {
  const asked = JSON.parse(body.toString()) as {
    readonly credentials?: { readonly oidcIdentityToken: string };
    readonly publicKeyRequest?: { readonly publicKey: { readonly content: string } };
    readonly certificateSigningRequest?: string;
  };
  const { publicKeyRequest, certificateSigningRequest = '' } = asked;
  const key =
    publicKeyRequest?.publicKey.content ??
    keyOfRequest(Buffer.from(certificateSigningRequest, 'base64'));
  const certificates = issue(sigstore, asked.credentials?.oidcIdentityToken ?? token, key);
  // cosign 3 takes 200 for an answer and nothing else.
  return { ...json({ signedCertificateEmbeddedSct: { chain: { certificates } } }), status: 200 };
}

/** The public key of a PEM certificate request (RFC 2986 §4.1). */
function keyOfRequest(pem: Buffer): Buffer {
  const der = Buffer.from(pem.toString().replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const key = ASN1Obj.parseBuffer(der).subs[0]?.subs[2];
  if (key === undefined) throw new Error('no public key in the certificate request');
  return key.toDER();
}

function log1(sigstore: Sigstore, body: Buffer): Answer {
  const entry = sigstore.log.add(settle(JSON.parse(body.toString()) as Proposed));
  const { inclusionProof: proof, inclusionPromise: promise } = entry;
  const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');
  const uuid = sha('sha256', Buffer.from([0]), Buffer.from(entry.canonicalizedBody, 'base64'));
  const answer = json({
    [uuid.toString('hex')]: {
      body: entry.canonicalizedBody,
      integratedTime: Number(entry.integratedTime),
      logID: hex(entry.logId.keyId),
      logIndex: Number(entry.logIndex),
      verification: {
        inclusionProof: proof && {
          checkpoint: proof.checkpoint?.envelope,
          hashes: proof.hashes.map(hex),
          logIndex: Number(proof.logIndex),
          rootHash: hex(proof.rootHash),
          treeSize: Number(proof.treeSize),
        },
        signedEntryTimestamp: promise?.signedEntryTimestamp,
      },
    },
  });
  // cosign 3 finds its entry in the answer by this name.
  return { ...answer, headers: { etag: uuid.toString('hex') } };
}

interface Proposed extends EntryBody {
  readonly spec: {
    readonly proposedContent?: { readonly envelope: string; readonly verifiers: readonly string[] };
    readonly content?: { readonly envelope: unknown };
    readonly publicKey?: string;
  };
}

/** What the log keeps of what it is shown. */
function settle({ kind, apiVersion, spec }: Proposed): EntryBody {
  const hash = (text: string | Buffer): object => {
    return { algorithm: 'sha256', value: sha('sha256', Buffer.from(text)).toString('hex') };
  };
  const read = (text: string): { payload: string; signatures: readonly { sig: string }[] } =>
    JSON.parse(text) as { payload: string; signatures: readonly { sig: string }[] };
  if (spec.proposedContent !== undefined) {
    const { envelope, verifiers } = spec.proposedContent;
    const { payload, signatures } = read(envelope);
    const settled = {
      envelopeHash: hash(envelope),
      payloadHash: hash(Buffer.from(payload, 'base64')),
      signatures: signatures.map(({ sig }, index) => ({
        signature: sig,
        verifier: verifiers[index],
      })),
    };
    return { kind, apiVersion, spec: settled };
  }
  if (typeof spec.content?.envelope === 'string') {
    const { envelope } = spec.content;
    const payloadHash = hash(Buffer.from(read(envelope).payload, 'base64'));
    return {
      kind,
      apiVersion,
      spec: { content: { hash: hash(envelope), payloadHash }, publicKey: spec.publicKey },
    };
  }
  return { kind, apiVersion, spec };
}

interface Verifier {
  readonly keyDetails: string;
  readonly x509Certificate?: { readonly rawBytes: string };
  readonly publicKey?: { readonly rawBytes: string };
}

interface Proposed2 {
  readonly hashedRekordRequestV002?: {
    readonly digest: string;
    readonly signature: { readonly content: string; readonly verifier: Verifier };
  };
  readonly dsseRequestV002?: {
    readonly envelope: {
      readonly payload: string;
      readonly signatures: readonly { readonly sig: string }[];
    };
    readonly verifiers: readonly Verifier[];
  };
}

function log2(sigstore: Sigstore, body: Buffer): Answer {
  const { hashedRekordRequestV002: hashed, dsseRequestV002: dsse } = JSON.parse(
    body.toString(),
  ) as Proposed2;
  if (hashed !== undefined) {
    const { digest, signature } = hashed;
    const data = { algorithm: ALGORITHM_NAMES[hashOf(signature.verifier)], digest };
    const spec = { hashedRekordV002: { data, signature } };
    return json(sigstore.log2.add({ kind: 'hashedrekord', apiVersion: '0.0.2', spec }));
  }
  const { envelope, verifiers = [] } = dsse ?? {};
  const digest = sha('sha256', Buffer.from(envelope?.payload ?? '', 'base64')).toString('base64');
  const spec = {
    dsseV002: {
      payloadHash: { algorithm: 'SHA2_256', digest },
      signatures: verifiers.map((verifier, index) => ({
        content: envelope?.signatures[index]?.sig,
        verifier,
      })),
    },
  };
  return json(sigstore.log2.add({ kind: 'dsse', apiVersion: '0.0.2', spec }));
}

function hashOf({ x509Certificate, publicKey }: Verifier): HashName {
  const der = (base64: string): Buffer => Buffer.from(base64, 'base64');
  const key =
    x509Certificate === undefined
      ? createPublicKey({ key: der(publicKey?.rawBytes ?? ''), format: 'der', type: 'spki' })
      : new X509Certificate(der(x509Certificate.rawBytes)).publicKey;
  return foreignKey(key).hash;
}

const HASH_NAMES: Readonly<Record<string, HashName>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** A request in DER (RFC 3161 §2.4.1), or in the JSON that sigstore-js sends. */
function stamp(sigstore: Sigstore, body: Buffer): Answer {
  const { digest, hash, ...asked } = body[0] === 0x30 ? readQuery(body) : readJsonQuery(body);
  const stamped = sigstore.timestampAuthority.stampHash(digest, hash, asked);
  return { status: 200, type: 'application/timestamp-reply', body: stamped };
}

interface Query {
  readonly digest: Buffer;
  readonly hash: HashName;
  readonly nonce: bigint;
  /** DER, where the request is in DER. */
  readonly messageImprint?: Buffer;
}

function readQuery(body: Buffer): Query {
  const [, imprint, ...rest] = ASN1Obj.parseBuffer(Buffer.from(body)).subs;
  const hash = HASH_NAMES[imprint?.subs[0]?.subs[0]?.toOID() ?? ''];
  const digest = imprint?.subs[1]?.value;
  if (hash === undefined || digest === undefined) throw new Error('no message imprint');
  const nonce = rest.find(({ tag }) => tag.isUniversal() && tag.number === 0x02)?.value;
  return {
    digest,
    hash,
    nonce: BigInt(`0x${nonce?.toString('hex') ?? '0'}`),
    ...(imprint && { messageImprint: imprint.toDER() }),
  };
}

function readJsonQuery(body: Buffer): Query {
  const { artifactHash, hashAlgorithm, nonce } = JSON.parse(body.toString()) as {
    readonly artifactHash: string;
    readonly hashAlgorithm: HashName;
    readonly nonce?: number;
  };
  const digest = Buffer.from(artifactHash, 'base64');
  return { digest, hash: hashAlgorithm, nonce: BigInt(nonce ?? 0) };
}
