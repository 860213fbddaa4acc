/** Images signed by `notation`: what has to arrive, and what must not, with the words to be given. */
import { setTimeout as sleep } from 'node:timers/promises';
import { tag, type Case } from './cases.ts';
import { buildImage, buildIndex, type Image } from './images.ts';
import { notationRules, productionMetadata, type NotationArea } from './notation-config.ts';
import type { NotationSignature, NotationSigners, SignerName } from './notation-signers.ts';
import type { ExplainedRefusal } from './refusal.ts';
import { pushImage } from './registry-client.ts';
import type { Registry } from './registry.ts';
import { moveBundle, type Place } from './tamper.ts';

export interface NotationCase extends Case {
  readonly area: NotationArea;
}

export interface NotationRefusal extends NotationCase, ExplainedRefusal {
  /** What `notation verify --verbose` says of it. */
  readonly notationSays: RegExp;
}

export interface NotationCases {
  readonly admitted: readonly NotationCase[];
  readonly refused: readonly NotationRefusal[];
}

/** How long the signature that expires holds. */
const EXPIRY = { text: '10s', milliseconds: 10_000 };

/** Builds, pushes, signs and waits for what expires; takes a minute. */
export async function prepareNotationCases(
  registry: Registry,
  signers: NotationSigners,
): Promise<NotationCases> {
  type Sign = (place: Place) => Promise<void>;
  const add = async (
    area: NotationArea,
    name: string,
    title: string,
    sign: Sign,
    build: (name: string) => Image = buildImage,
  ): Promise<NotationCase> => {
    const repository = `${area}/${name}`;
    const image = build(repository);
    await pushImage(registry, repository, tag, image);
    await sign({ repository, digest: image.digest });
    return { area, title, repository, image };
  };
  const by =
    (name: SignerName, signature?: NotationSignature): Sign =>
    (place) =>
      signers.sign(place, name, signature);
  const refuse = (one: NotationCase, because: RegExp, notationSays: RegExp): NotationRefusal => ({
    ...one,
    rule: notationRules[one.area],
    because,
    notationSays,
  });

  // First of all what has to be over at the end.
  const outlived = await add(
    'stamped',
    'outlived',
    'COSE, stamped before its certificate expired',
    by('brief', { format: 'cose', stamped: true }),
  );
  const forgotten = await add(
    'vendor',
    'forgotten',
    'without a timestamp, its certificate expired',
    by('brief'),
  );
  const expired = await add(
    'vendor',
    'expired',
    'an expired signature',
    by('release', { format: 'cose', expiry: EXPIRY.text }),
  );
  const expiredAt = Date.now() + EXPIRY.milliseconds;

  const jws = await add('vendor', 'jws', 'JWS', by('release'));
  const admitted = [
    jws,
    await add('vendor', 'cose', 'COSE, an RSA key', by('release-rsa', { format: 'cose' })),
    outlived,
    await add(
      'production',
      'metadata',
      'COSE with user metadata',
      by('release', { format: 'cose', metadata: productionMetadata }),
    ),
    await add(
      'stamped',
      'index',
      'an index, JWS, stamped, by a stranger and by us',
      async (place) => {
        await signers.sign(place, 'stranger', { stamped: true });
        await signers.sign(place, 'release', { stamped: true });
      },
      buildIndex,
    ),
  ];
  const refused = [
    refuse(
      forgotten,
      /authenticTimestamp: the certificate of .* is valid from/,
      /authenticTimestamp validation failed.*is after certificate/,
    ),
    refuse(expired, /expiry: it expired at/, /expiry validation failed/),
    refuse(
      await add('vendor', 'stranger', 'by a stranger of the same names', by('stranger')),
      /signed by someone else \(authenticity\)/,
      /authenticity validation failed.*does not contain any trusted certificate/,
    ),
    refuse(
      await add('vendor', 'nightly', 'by another subject of the same authority', by('nightly')),
      /signed by someone else \(identity\): signed by .*CN=nightly/,
      /authenticity validation failed.*does not match the X.509 trusted identities/,
    ),
    refuse(
      await add('stamped', 'unstamped', 'without a timestamp', by('release')),
      /authenticTimestamp: it carries no timestamp/,
      /authenticTimestamp validation failed.*no timestamp countersignature/,
    ),
    refuse(
      await add(
        'production',
        'other-stage',
        'with other user metadata',
        by('release', { metadata: 'stage=test' }),
      ),
      /annotations: expected the signed annotation "stage" to be "production"/,
      /unable to find specified metadata/,
    ),
    refuse(
      await add('vendor', 'moved', 'the signature of another image', (place) =>
        moveBundle(registry, { repository: jws.repository, digest: jws.image.digest }, place),
      ),
      /signature invalid/,
      /content descriptor mismatch/,
    ),
    refuse(
      await add('vendor', 'unsigned', 'unsigned', () => Promise.resolve()),
      /unsigned: no signature was found/,
      /no signature is associated/,
    ),
  ];
  // A second more than whole seconds, of which expiry and certificates are.
  await sleep(Math.max(expiredAt, signers.briefUntil) + 1000 - Date.now());
  return { admitted, refused };
}
