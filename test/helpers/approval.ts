/** Approvals as they lie in the records: a bundle by a test's key, carried by a manifest whose subject is the image. */
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import type { LocalRecords } from '../../src/store/local-records.ts';
import { BUNDLE_TYPE, dsseBundle, statement, type Signer } from './signer.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const EMPTY = Buffer.from('{}');

export interface MadeApproval {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly bundle: Digest;
}

export function fingerprintOf(signer: Signer): string {
  return parsePublicKeys(signer.publicPem, 'a key')[0]?.fingerprint ?? '';
}

/** Puts an approval of an image of `lab.local/team/app` into the records. */
export async function putApproval(
  local: LocalRecords,
  subject: { readonly digest: Digest; readonly size: number },
  signer: Signer,
  { at = 1000, path = 'team/app' } = {},
): Promise<MadeApproval> {
  const payload = statement([{ digest: { sha256: subject.digest.slice(7) } }]);
  const bundle = Buffer.from(JSON.stringify(dsseBundle(signer, payload)));
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: BUNDLE_TYPE,
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: digestOf(EMPTY),
        size: EMPTY.length,
      },
      layers: [{ mediaType: BUNDLE_TYPE, digest: digestOf(bundle), size: bundle.length }],
      subject: { mediaType: MANIFEST, digest: subject.digest, size: subject.size },
    }),
  );
  const digest = digestOf(bytes);
  await local.approve(
    {
      repository: parseRepository('lab.local', path),
      subject: subject.digest,
      key: fingerprintOf(signer),
      reference: `lab.local/${path}@${subject.digest}`,
      note: '',
      approvedAt: at,
      manifest: digest,
    },
    { mediaType: MANIFEST, digest, size: bytes.length, artifactType: BUNDLE_TYPE },
    [
      { digest, bytes },
      { digest: digestOf(bundle), bytes: bundle },
      { digest: digestOf(EMPTY), bytes: EMPTY },
    ],
  );
  return { bytes, digest, bundle: digestOf(bundle) };
}
