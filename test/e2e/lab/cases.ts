/** The images of the upstream: what has to arrive, and what must not, with the reason to be given. */
import { buildImage, buildIndex, type Image } from './images.ts';
import { pushImage, type RegistryAccess } from './registry-client.ts';
import type { Registry } from './registry.ts';
import type { Signers } from './signers.ts';
import { forgeBundle, forgeSignature, moveBundle, moveSignature, type Place } from './tamper.ts';

export interface Case {
  /** A sentence for the test's name. */
  readonly title: string;
  readonly repository: string;
  readonly image: Image;
}

/** How a refusal is known: by policy, by the manifest's digest, or by a blob that breaks off. */
export type RefusalKind = 'denied' | 'altered manifest' | 'altered blob';

export interface RefusedCase extends Case {
  readonly kind: RefusalKind;
}

export interface Cases {
  readonly admitted: readonly Case[];
  readonly refused: readonly RefusedCase[];
}

/** Every image of the lab carries this tag. */
export const tag = 'v1';

/** Builds, pushes, signs and tampers; takes some seconds. */
export async function prepareCases(registry: Registry, signers: Signers): Promise<Cases> {
  const admitted = await prepareAdmitted(registry, signers);
  const refused = [
    ...(await prepareUnsigned(registry, signers)),
    ...(await prepareForeign(registry, signers, admitted)),
    ...(await prepareAltered(registry, signers)),
  ];
  return { admitted, refused };
}

/** An image that is replaced by an unsigned one while its tag stays. */
export async function prepareMoving(
  registry: Registry,
  signers: Signers,
  owner: string,
): Promise<{ before: Case; replace: () => Promise<Case> }> {
  const repository = `moving/${owner}`;
  const before = await push(registry, 'signed at first', repository, buildImage(repository));
  await signers.cosign2(repository, before.image.digest, signers.trusted);
  const replace = () =>
    push(registry, 'unsigned later', repository, buildImage(`${repository}-replaced`));
  return { before, replace };
}

async function prepareAdmitted(registry: Registry, signers: Signers): Promise<readonly Case[]> {
  const { trusted, stranger } = signers;
  const single = await add(registry, 'signed by cosign 2', 'signed-2', buildImage);
  await signers.cosign2(...placeOf(single), trusted);
  const bundled = await add(registry, 'signed by cosign 3 with a bundle', 'signed-3', buildImage);
  await signers.cosign3(...placeOf(bundled), trusted);
  const index = await add(registry, 'an index signed by cosign 2', 'signed-index-2', buildIndex);
  await signers.cosign2(...placeOf(index), trusted);
  const bundledIndex = await add(
    registry,
    'an index signed by cosign 3',
    'signed-index-3',
    buildIndex,
  );
  await signers.cosign3(...placeOf(bundledIndex), trusted);
  const docker = await add(registry, 'docker media types, signed', 'signed-docker', (name) =>
    buildImage(name, 'docker'),
  );
  await signers.cosign2(...placeOf(docker), trusted);
  const list = await add(registry, 'a docker manifest list, signed', 'signed-list', (name) =>
    buildIndex(name, 'docker'),
  );
  await signers.cosign3(...placeOf(list), trusted);
  const bare = await add(registry, 'no mediaType in the manifest, signed', 'signed-bare', (name) =>
    buildImage(name, 'bare'),
  );
  await signers.cosign2(...placeOf(bare), trusted);
  const several = await add(registry, 'signed by a stranger and by us', 'signed-both', buildImage);
  await signers.cosign2(...placeOf(several), stranger);
  await signers.cosign2(...placeOf(several), trusted);
  const mixed = await add(
    registry,
    'a bundle of a stranger beside our .sig',
    'signed-mixed',
    buildImage,
  );
  await signers.cosign3(...placeOf(mixed), stranger);
  await signers.cosign2(...placeOf(mixed), trusted);

  const image = buildIndex('cases/signed-skopeo');
  await pushImage(registry, 'staging/skopeo', tag, image);
  await signers.skopeo(`staging/skopeo:${tag}`, `cases/signed-skopeo:${tag}`, trusted);
  const skopeo = { title: 'signed by skopeo', repository: 'cases/signed-skopeo', image };
  return [single, bundled, index, bundledIndex, docker, list, bare, several, mixed, skopeo];
}

async function prepareUnsigned(
  registry: Registry,
  signers: Signers,
): Promise<readonly RefusedCase[]> {
  const single = await add(registry, 'unsigned', 'unsigned', buildImage);
  const index = await add(registry, 'an unsigned index', 'unsigned-index', buildIndex);
  const unruled = await push(
    registry,
    'signed, but no rule speaks of it',
    'elsewhere/signed',
    buildImage('elsewhere/signed'),
  );
  await signers.cosign2(...placeOf(unruled), signers.trusted);
  const attested = await add(registry, 'attested by us, but not signed', 'attested', buildImage);
  await signers.attest(...placeOf(attested), signers.trusted);
  return [single, index, unruled, attested].map((one) => ({ ...one, kind: 'denied' }));
}

async function prepareForeign(
  registry: Registry,
  signers: Signers,
  admitted: readonly Case[],
): Promise<readonly RefusedCase[]> {
  const wrongKey2 = await add(
    registry,
    'signed by another key, cosign 2',
    'stranger-2',
    buildImage,
  );
  await signers.cosign2(...placeOf(wrongKey2), signers.stranger);
  const wrongKey3 = await add(
    registry,
    'signed by another key, cosign 3',
    'stranger-3',
    buildImage,
  );
  await signers.cosign3(...placeOf(wrongKey3), signers.stranger);

  type Tamper = (registry: RegistryAccess, from: Place, to: Place) => Promise<void>;
  const tamper = async (title: string, name: string, from: string, act: Tamper) => {
    const genuine = admitted.find(({ repository }) => repository === `cases/${from}`);
    if (genuine === undefined) throw new Error(`no case ${from}`);
    const target = await add(registry, title, name, buildImage);
    await act(
      registry,
      { repository: genuine.repository, digest: genuine.image.digest },
      { repository: target.repository, digest: target.image.digest },
    );
    return target;
  };
  const others = [
    await tamper('the .sig of another image', 'moved-2', 'signed-2', moveSignature),
    await tamper('the bundle of another image', 'moved-3', 'signed-3', moveBundle),
    await tamper('a .sig with an edited payload', 'edited-2', 'signed-2', forgeSignature),
    await tamper('a bundle with an edited statement', 'edited-3', 'signed-3', forgeBundle),
  ];
  return [wrongKey2, wrongKey3, ...others].map((one) => ({ ...one, kind: 'denied' }));
}

async function prepareAltered(
  registry: Registry,
  signers: Signers,
): Promise<readonly RefusedCase[]> {
  const manifest = await add(
    registry,
    'signed, its manifest edited in the storage',
    'altered-manifest',
    buildImage,
  );
  await signers.cosign2(...placeOf(manifest), signers.trusted);
  // Another layer in the place of the signed one; the registry itself does not notice.
  registry.editStored(manifest.image.digest, (bytes) => {
    const [config, first, second] = manifest.image.blobs.map(({ digest }) => digest);
    if (first === undefined || second === undefined) throw new Error(`no layers: ${config ?? ''}`);
    return Buffer.from(bytes.toString('utf8').replace(first, second));
  });
  const blob = await add(
    registry,
    'signed, one byte of a layer changed in the storage',
    'altered-blob',
    buildImage,
  );
  await signers.cosign2(...placeOf(blob), signers.trusted);
  registry.editStored(blob.image.blobs[1]?.digest ?? '', (bytes) => {
    const edited = Buffer.from(bytes);
    const middle = edited.length >> 1;
    edited[middle] = (edited[middle] ?? 0) ^ 1;
    return edited;
  });
  return [
    { ...manifest, kind: 'altered manifest' },
    { ...blob, kind: 'altered blob' },
  ];
}

async function add(
  registry: RegistryAccess,
  title: string,
  name: string,
  build: (name: string) => Image,
): Promise<Case> {
  const repository = `cases/${name}`;
  return push(registry, title, repository, build(repository));
}

async function push(
  registry: RegistryAccess,
  title: string,
  repository: string,
  image: Image,
): Promise<Case> {
  await pushImage(registry, repository, tag, image);
  return { title, repository, image };
}

function placeOf({ repository, image }: Case): [repository: string, digest: string] {
  return [repository, image.digest];
}
