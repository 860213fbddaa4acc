/** Notation signatures as a requirement: who is served, who is refused, and with which words. */
import { createPublicKey } from 'node:crypto';
import t, { type Test } from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { NotationSpec } from '../../src/policy/notation-requirement.ts';
import { UnreachableError } from '../../src/verify/notation/revocation/fetch-bytes.ts';
import type { PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type LabOptions } from '../helpers/lab.ts';
import {
  DAY,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
  type Signer,
} from '../helpers/notation/certificate.ts';
import { putNotation, type ManifestOptions } from '../helpers/notation/manifest.ts';
import { signCose, signJws, type SignOptions } from '../helpers/notation/signed.ts';
import { cosign3 } from '../helpers/signer.ts';
import { lists } from '../verify/notation/revocation/made-revocation.ts';

const HOUR = DAY / 24;
const EXPIRED = { signingTime: NOTATION_TIME - 2 * HOUR, expiry: NOTATION_TIME - HOUR };
const VENDOR = 'x509.subject: C=DE, ST=BY, O=Vendor';

interface PutOptions extends SignOptions {
  readonly by?: Signer;
  readonly cose?: boolean;
  readonly manifest?: ManifestOptions;
  /** In the place of what was signed. */
  readonly tamper?: (envelope: Buffer) => Buffer;
}

async function open(t: Test, spec: Partial<NotationSpec> = {}, options: LabOptions = {}) {
  const authority = issueNotationAuthority('root');
  const vendor = issueSigner({ issuer: authority });
  const trustRoots = [rootOfStores({ ca: [authority] })];
  const notation = { trustRoot: 'vendor', identities: [VENDOR], ...spec };
  const lab = await openLab(t, {
    registry: { referrersApi: true },
    rule: { require: { notation } },
    trustRoots,
    ...options,
  });
  lab.proxy.now = NOTATION_TIME;
  const targetOf = ({ digest, size }: PutImage) => ({ mediaType: OCI_MANIFEST, digest, size });
  return {
    ...lab,
    vendor,
    sign(image: PutImage, put: PutOptions = {}): void {
      const { by = vendor, cose = false, tamper } = put;
      const signed = (cose ? signCose : signJws)(by, targetOf(image), put);
      const envelopeType = cose ? 'application/cose' : 'application/jose+json';
      const manifest = { envelopeType, ...put.manifest };
      putNotation(lab.registry, TEAM, tamper?.(signed) ?? signed, targetOf(image), manifest);
    },
    pull: async () => {
      const answer = await lab.get('manifests/v1');
      return `${told(answer)} ${answer.error?.message ?? ''}`;
    },
  };
}

for (const referrersApi of [true, false]) {
  for (const cose of [true, false]) {
    const where = referrersApi ? 'the referrers API' : 'the fallback index';
    t.test(`a ${cose ? 'COSE' : 'JWS'} signature in ${where} is found`, async (t) => {
      const lab = await open(t, {}, { registry: { referrersApi, fallbackTags: !referrersApi } });
      const image = lab.image('app', { tag: 'v1' });
      lab.sign(image, { cose });
      t.match(await lab.pull(), /^200/);
      t.match(lab.proxy.pulls, [{ signers: [/O=Vendor, CN=signer \(notation/] }]);
    });
  }
}

t.test('the form from before OCI 1.1 counts too', async (t) => {
  const lab = await open(t);
  lab.sign(lab.image('app', { tag: 'v1' }), { manifest: { legacy: true } });
  t.match(await lab.pull(), /^200/);
});

const other = issueSigner({ issuer: issueNotationAuthority('root') });

const refused: Readonly<Record<string, readonly [PutOptions, RegExp]>> = {
  'by a lookalike of the authority': [{ by: other }, /signed by someone else \(authenticity\)/],
  'that is expired': [EXPIRED, /expiry: it expired at/],
  'under another scheme': [
    { scheme: 'notary.x509.signingAuthority' },
    /signed by someone else \(authenticity\)/,
  ],
  'over another image': [
    {
      payload: Buffer.from('{"targetArtifact":{"mediaType":"a/b","digest":"sha256:00","size":1}}'),
    },
    /signature invalid/,
  ],
  'that was changed': [
    {
      tamper: (envelope) =>
        Buffer.from(envelope.toString().replace('"payload":"e', '"payload":"f')),
    },
    /signature invalid/,
  ],
  'in a manifest of two layers': [{ manifest: { changes: { layers: [] } } }, /403 DENIED/],
};
for (const [what, [put, words]] of Object.entries(refused)) {
  t.test(`a signature ${what} is refused`, async (t) => {
    const lab = await open(t);
    lab.sign(lab.image('app', { tag: 'v1' }), put);
    const answer = await lab.pull();
    t.match(answer, /^403 DENIED/);
    t.match(answer, words);
  });
}

t.test('somebody else of the same authority is refused, and named', async (t) => {
  const lab = await open(t, { identities: ['x509.subject: C=DE, ST=BY, O=Vendor, CN=release'] });
  lab.sign(lab.image('app', { tag: 'v1' }));
  t.match(await lab.pull(), /signed by someone else \(identity\): signed by .*CN=signer/);
});

t.test('an image without a signature is unsigned', async (t) => {
  const lab = await open(t);
  lab.image('app', { tag: 'v1' });
  t.match(await lab.pull(), /^403 DENIED .*unsigned: no signature was found/);
});

t.test("a signature of cosign's is none of Notation's", async (t) => {
  const lab = await open(t);
  cosign3(lab.registry, TEAM, lab.image('app', { tag: 'v1' }), lab.signer);
  t.match(await lab.pull(), /^403 DENIED/);
});

t.test('what is only to be told is told', async (t) => {
  const lab = await open(t, { level: 'permissive' });
  lab.sign(lab.image('app', { tag: 'v1' }), EXPIRED);
  t.match(await lab.pull(), /^200/);
  t.match(lab.proxy.pulls, [{ signers: [/though expiry: it expired at/] }]);
});

t.test('an admission ends with what it rests on', async (t) => {
  const lab = await open(t);
  lab.sign(lab.image('app', { tag: 'v1' }), { expiry: NOTATION_TIME + 30_000 });
  t.match(await lab.pull(), /^200/);
  lab.proxy.now += 30_000;
  t.match(await lab.pull(), /^403 DENIED .*expiry/);
});

t.test('while nobody can be asked about a certificate, nothing is decided', async (t) => {
  const authority = issueNotationAuthority('root');
  const usages = [keyUsage(['digitalSignature']), extendedKeyUsage([PURPOSES.codeSigning])];
  const by = issueSigner({
    issuer: authority,
    extensions: [...usages, lists('http://l.example/')],
  });
  let failure: Error = new UnreachableError('the line is dead');
  const lab = await open(
    t,
    {},
    {
      trustRoots: [rootOfStores({ ca: [authority] })],
      fetchBytes: () => Promise.reject(failure),
    },
  );
  lab.sign(lab.image('app', { tag: 'v1' }), { by });
  const answer = await lab.get('manifests/v1');
  t.equal(answer.status, 503);
  t.match(answer.headers['retry-after'], /^\d+$/);
  t.match(answer.error?.message, /cannot be decided now: revocation: .*the line is dead/);
  t.match(lab.proxy.pulls, [{ outcome: 'undetermined' }]);
  failure = new Error('there is no such list');
  lab.proxy.now += 60_000;
  t.match(await lab.pull(), /^403 DENIED .*revocation: .*there is no such list/);
});

t.test('user metadata is signed along, or not', async (t) => {
  const lab = await open(t, { annotations: { stage: 'production' } });
  const image = lab.image('app', { tag: 'v1' });
  lab.sign(image, { annotations: { stage: 'test' } });
  t.match(await lab.pull(), /^403 DENIED .*expected the signed annotation "stage"/);
  lab.sign(image, { annotations: { stage: 'production' } });
  lab.proxy.now += 10_000;
  t.match(await lab.pull(), /^200/);
});

t.test('beside other kinds of signature', async (t) => {
  const lab = await open(t);
  const image = lab.image('app', { tag: 'v1' });
  cosign3(lab.registry, TEAM, image, lab.signer);
  lab.sign(image, { by: other });
  lab.sign(image);
  t.match(await lab.pull(), /^200/);
});

t.test('a key that the operator revoked for the image counts no longer here either', async (t) => {
  const lab = await open(t);
  const image = lab.image('app', { tag: 'v1' });
  lab.sign(image);
  const other = lab.image('other', { tag: 'v2' });
  lab.sign(other);
  t.match(await lab.pull(), /^200/);
  const spki = createPublicKey(lab.vendor.key.privateKey).export({ type: 'spki', format: 'der' });
  await lab.proxy.records.local.revoke({
    repository: parseRepository('lab.local', TEAM),
    subject: image.digest,
    keys: [digestOf(spki)],
    at: NOTATION_TIME,
    reason: 'stolen',
  });
  lab.proxy.admission.forget();
  t.match(await lab.pull(), /^403 .*the operator revoked what this key signed/);
  t.equal(told(await lab.get('manifests/v2')), '200');
});
