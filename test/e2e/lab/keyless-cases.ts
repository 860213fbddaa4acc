/** Images signed by identities: what has to arrive, and what must not, with the sentence to be given. */
import { createTransparencyLog } from '../../helpers/sigstore/transparency-log.ts';
import { tag, type Case } from './cases.ts';
import { buildImage } from './images.ts';
import { pushImage } from './registry-client.ts';
import type { Registry } from './registry.ts';
import type { Area } from './sigstore-config.ts';
import type { Instance } from './sigstore-instance.ts';
import { startSigstoreServer, type MockSigstore } from './sigstore-server.ts';
import type { CertificateSigners, Identity } from './sigstore-signers.ts';
import type { Place } from './tamper.ts';

export interface KeylessRefusal extends Case {
  readonly area: Area;
  /** What `countersign verify` says, and clients that show messages. */
  readonly because: RegExp;
}

export interface KeylessCases {
  readonly admitted: readonly Case[];
  readonly refused: readonly KeylessRefusal[];
}

/** Who may sign. */
export const releases: Identity = {
  issuer: 'https://token.actions.githubusercontent.com',
  subject: 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main',
};

const HOUR = 60 * 60 * 1000;

/** Certificates that outlive the test, so that what is missing is all that is wrong. */
const lasting = { notAfter: Date.now() + 24 * HOUR };
const expired = { notBefore: Date.now() - 2 * HOUR };

type Sign = (place: Place) => Promise<void>;

/** Builds, pushes and signs; takes some seconds. */
export async function prepareKeylessCases(
  registry: Registry,
  signers: CertificateSigners,
  instance: Instance,
  mock: MockSigstore,
): Promise<KeylessCases> {
  const { sigstore, timestamps } = instance;
  const { url } = timestamps;
  const add = async (area: Area, name: string, title: string, sign: Sign) => {
    const repository = `${area}/${name}`;
    const image = buildImage(repository);
    await pushImage(registry, repository, tag, image);
    await sign({ repository, digest: image.digest });
    return { area, title, repository, image };
  };

  const admitted = [
    await add('keyless', 'cosign-2', 'cosign 2, keyless, log of version 1', (place) =>
      signers.cosign2(place, releases, instance),
    ),
    await add('keyless', 'cosign-3', 'cosign 3, keyless, log of version 1', (place) =>
      signers.cosign3(place, releases, instance, 1),
    ),
    await add('keyless', 'cosign-3-log-2', 'cosign 3, keyless, log of version 2', (place) =>
      signers.cosign3(place, releases, instance, 2),
    ),
    await add('certified', 'cosign-2', 'cosign 2, certificate, chain and timestamp', (place) =>
      signers.certified2(place, sigstore, { timestampUrl: url }),
    ),
    await add('certified', 'cosign-3', 'cosign 3, certificate and timestamp', (place) =>
      signers.certified3(place, sigstore, { timestampUrl: url }),
    ),
    await add('mocked', 'js', '@sigstore/sign, keyless, log of version 1', (place) =>
      signers.signJs(place, releases, mock.url, 'log'),
    ),
    await add('stamped', 'js', '@sigstore/sign, keyless, timestamp alone', (place) =>
      signers.signJs(place, releases, mock.url, 'timestamp'),
    ),
  ];

  const someoneElse = (who: Partial<Identity>, name: string, title: string) =>
    add('keyless', name, title, (place) =>
      signers.cosign3(place, { ...releases, ...who }, instance, 2),
    );
  const otherLog = await startSigstoreServer({
    ...sigstore,
    leaf: (options) => sigstore.leaf({ ...lasting, ...options }),
    log: createTransparencyLog({ clock: Date.now, origin: 'other.rekor.test' }),
  });
  const otherSubject = releases.subject.replace('release.yml', 'nightly.yml');
  const lookalike = releases.subject.replace('/acme/', '/acme-evil/');
  const refused: KeylessRefusal[] = [
    {
      ...(await someoneElse({ issuer: 'https://gitlab.test' }, 'issuer', 'another issuer')),
      because: /signed by someone else: found .*issuer https:\/\/gitlab\.test/,
    },
    {
      ...(await someoneElse({ subject: otherSubject }, 'subject', 'another workflow')),
      because: /signed by someone else: found https:\/\/github\.com\/acme\/app\/.*nightly\.yml/,
    },
    {
      ...(await someoneElse({ subject: lookalike }, 'lookalike', 'a lookalike owner')),
      because: /signed by someone else: found https:\/\/github\.com\/acme-evil\/app/,
    },
    {
      ...(await add('keyless', 'other-log', 'in a log that nobody trusts', (place) =>
        signers.cosign2(place, releases, { ...instance, server: otherLog }),
      )),
      because: /no log: 1 required/,
    },
    {
      ...(await add('certified', 'expired', 'stamped after the certificate expired', (place) =>
        signers.certified2(place, sigstore, { timestampUrl: url, leaf: expired }),
      )),
      because: /is valid from .*, and not at /,
    },
    {
      ...(await add('certified', 'unstamped', 'without a timestamp', (place) =>
        signers.certified2(place, sigstore, { leaf: lasting }),
      )),
      because: /no proven time: 1 required/,
    },
    {
      ...(await add('certified', 'forgotten', 'without a timestamp, long ago', (place) =>
        signers.certified2(place, sigstore, { leaf: expired }),
      )),
      because: /no known log or authority proves when it was signed/,
    },
  ];
  await otherLog.close();
  return { admitted, refused };
}
