/** Where the signatures of a rule's images are kept, and which name they must be made for. */
import {
  canonicalRegistry,
  formatRepository,
  isRegistryName,
  isRepositoryPath,
  isTag,
  parseReference,
  parseRepository,
  type Repository,
} from '../oci/reference.ts';

/** How a signed name must be the name that is pulled. */
export type ReferenceMode =
  | 'exact'
  | 'repository'
  | { readonly remap: { readonly prefix: string; readonly signedPrefix: string } };

/** `signatures` of a rule, as the configuration spells it. */
export interface SignaturesSpec {
  /** `host/path`, or `host/path/**` in which the image's own path takes the place of `**`. */
  readonly repository?: string | undefined;
  /** Absent: whatever name was signed, the digest alone binds. */
  readonly reference?: ReferenceMode | undefined;
  /** Whether a signature over BuildKit's attestation manifest counts for the image that the manifest is about. */
  readonly buildkit?: boolean | undefined;
}

/**
 * Checks the spelling.
 * @throws {SyntaxError} when repository or prefixes are no names.
 */
export function parseSignatures(spec: SignaturesSpec): SignaturesSpec {
  const { repository, reference } = spec;
  if (repository !== undefined) parsePlace(repository);
  if (typeof reference === 'object') {
    parsePrefix(reference.remap.prefix);
    parsePrefix(reference.remap.signedPrefix);
  }
  return spec;
}

/** The repository that keeps the signatures of an image of `repository`; undefined where it is the image's own. */
export function signaturePlace(
  signatures: SignaturesSpec | undefined,
  repository: Repository,
): Repository | undefined {
  if (signatures?.repository === undefined) return undefined;
  const { registry, path, everyImage } = parsePlace(signatures.repository);
  if (!everyImage) return { registry, path };
  return { registry, path: path === '' ? repository.path : `${path}/${repository.path}` };
}

/**
 * Why none of the signed names binds this image; undefined where one does. A signature says of a digest that it is fine;
 * without its name, the signature of one repository's image would do for a copy under any other name.
 * @param tag the tag that is pulled; undefined where a digest is.
 * @param references names that the signer signed along.
 */
export function refuseReference(
  mode: ReferenceMode,
  repository: Repository,
  tag: string | undefined,
  references: readonly string[],
): string | undefined {
  if (references.length === 0) {
    return 'the signature names no image (those of cosign 3 do not), and the rule binds signatures to the name';
  }
  const expected =
    typeof mode === 'object' ? remapped(repository, mode.remap) : formatRepository(repository);
  const wantedTag = mode === 'exact' ? tag : undefined;
  const bound = references.some((text) => {
    const signed = parseSignedName(text);
    if (signed === undefined || signed.repository !== expected) return false;
    return wantedTag === undefined || signed.tag === wantedTag;
  });
  if (bound) return undefined;
  const [first] = references;
  const wanted = wantedTag === undefined ? expected : `${expected}:${wantedTag}`;
  return `the signature is for ${JSON.stringify(first?.slice(0, 300))}, expected one for ${wanted}`;
}

/** Canonical repository and explicit tag of a signed name; no tag is not `latest` here. */
function parseSignedName(
  text: string,
): { readonly repository: string; readonly tag: string | undefined } | undefined {
  const [name = ''] = text.split('@');
  const last = name.slice(name.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  try {
    const repository = formatRepository(parseReference(text).repository);
    return { repository, tag: colon === -1 ? undefined : tagOf(last.slice(colon + 1)) };
  } catch {
    return undefined;
  }
}

function tagOf(text: string): string {
  if (isTag(text)) return text;
  throw new SyntaxError(`expected a tag, got ${JSON.stringify(text.slice(0, 160))}`);
}

/** containers-policy.json(5) remapIdentity: a name under `prefix`, at a boundary of its path, is expected under the other. */
function remapped(
  repository: Repository,
  remap: { readonly prefix: string; readonly signedPrefix: string },
): string | undefined {
  const name = formatRepository(repository);
  const prefix = parsePrefix(remap.prefix);
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return name;
  const target = `${parsePrefix(remap.signedPrefix)}${name.slice(prefix.length)}`;
  const slash = target.indexOf('/');
  try {
    return formatRepository(parseRepository(target.slice(0, slash), target.slice(slash + 1)));
  } catch {
    return undefined;
  }
}

function parsePlace(text: string): Repository & { readonly everyImage: boolean } {
  const everyImage = text.endsWith('/**');
  const name = everyImage ? text.slice(0, -'/**'.length) : text;
  const slash = name.indexOf('/');
  if (everyImage && slash === -1) return { ...hostAlone(name, text), everyImage };
  if (slash === -1) throw wrongPlace(text);
  return { ...parseRepository(name.slice(0, slash), name.slice(slash + 1)), everyImage };
}

function hostAlone(name: string, text: string): Repository {
  const registry = canonicalRegistry(name);
  if (!isRegistryName(registry)) throw wrongPlace(text);
  return { registry, path: '' };
}

function wrongPlace(text: string): SyntaxError {
  return new SyntaxError(
    `expected a repository such as registry.example/signatures or registry.example/signatures/**, got ${JSON.stringify(text)}`,
  );
}

/** `host` or `host/path`, its host canonical. */
function parsePrefix(text: string): string {
  const [host = '', ...rest] = text.split('/');
  const registry = canonicalRegistry(host);
  if (!isRegistryName(registry) || (rest.length > 0 && !isRepositoryPath(rest.join('/')))) {
    throw new SyntaxError(
      `expected a prefix such as registry.example/team, got ${JSON.stringify(text)}`,
    );
  }
  return [registry, ...rest].join('/');
}
