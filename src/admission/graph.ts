/** Which content an admitted manifest gives access to, in its repository and nowhere else. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import type { GrantKind, GrantRecord, PolicyKey } from '../store/records.ts';

/** Where grants hold, and whose admission they follow from. */
export interface GrantScope {
  readonly repository: Repository;
  readonly policyKey: PolicyKey;
  readonly because: Digest;
}

/** An admitted index grants its children, an admitted image its config and layers. */
export function grantsOf(manifest: Manifest, scope: GrantScope): readonly GrantRecord[] {
  return manifest.kind === 'index'
    ? manifest.manifests.map((child) => grant(child, 'manifest', scope))
    : contentOf(manifest).map((blob) => grant(blob, 'blob', scope));
}

/** An attachment grants its content as content that is inspected; a list of attachments grants nothing. */
export function attachmentGrantsOf(manifest: Manifest, scope: GrantScope): readonly GrantRecord[] {
  return contentOf(manifest).map((blob) => grant(blob, 'attachment-blob', scope));
}

/** What goes with an admitted manifest when room is made. An attached one may name anything: nothing goes with it. */
export function membersOf(manifest: Manifest): readonly Digest[] {
  const children = manifest.kind === 'index' ? manifest.manifests : contentOf(manifest);
  return children.map(({ digest }) => digest);
}

export function grant(descriptor: Descriptor, kind: GrantKind, scope: GrantScope): GrantRecord {
  const { repository, policyKey, because } = scope;
  const { digest, mediaType, size } = descriptor;
  return { repository, policyKey, because, digest, mediaType, size, kind };
}

function contentOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : [];
}
