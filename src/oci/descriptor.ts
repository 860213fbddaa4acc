/** Content descriptors as checked values: OCI image-spec descriptor.md. */
import { parseDigest, type Digest } from './digest.ts';
import { isJsonObject, refuseLookalikeMembers } from './json.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes, a non-negative safe integer. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** `os/architecture[/variant]`, where the descriptor of an index child says so. */
  readonly platform?: string;
}

const MEMBERS = new Set([
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'artifactType',
  'platform',
]);

// RFC 6838 §4.2, and the parameters that some types carry: they are repeated in headers and on terminals.
const MEDIA_TYPE = /^[!-~][ -~]{0,254}$/;
const PLATFORM = /^[!-~]{1,80}$/;

/**
 * Checks a descriptor.
 * @throws {SyntaxError} when mediaType, digest or size is missing or of the wrong shape.
 */
export function parseDescriptor(value: unknown): Descriptor {
  if (!isJsonObject(value)) throw new SyntaxError('expected a descriptor object');
  refuseLookalikeMembers(value, MEMBERS);
  const { mediaType, size, artifactType } = value;
  if (typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType)) {
    throw new SyntaxError('expected a descriptor with a media type');
  }
  const digest = parseDigest(value['digest']);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new SyntaxError(`expected the size of ${digest} to be a number of bytes`);
  }
  const annotations = parseAnnotations(value['annotations']);
  const platform = parsePlatform(value['platform']);
  return {
    mediaType,
    digest,
    size,
    ...(typeof artifactType === 'string' && artifactType !== '' ? { artifactType } : {}),
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform }),
  };
}

/** @throws {SyntaxError} unless the value is absent, null or a map of strings. */
export function parseAnnotations(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw new SyntaxError('expected annotations to be an object');
  const annotations: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new SyntaxError(
        `expected annotation ${JSON.stringify(name.slice(0, 80))} to be a string`,
      );
    }
    annotations[name] = text;
  }
  return annotations;
}

function parsePlatform(value: unknown): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  const named = typeof variant === 'string' && variant !== '' ? [variant] : [];
  const platform = [os, architecture, ...named].join('/');
  return PLATFORM.test(platform) ? platform : undefined;
}
