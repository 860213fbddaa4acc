/** A registry without a network that answers as a test says, and keeps account of what it was asked. */
import { Dispatcher } from 'undici';
import { digestOf } from '../../src/oci/digest.ts';
import type { RegistryUpstream } from '../../src/upstream/registry-upstream.ts';
import {
  UpstreamError,
  type FetchedManifest,
  type UpstreamErrorCode,
} from '../../src/upstream/upstream.ts';

const bytes = Buffer.from('{}');
export const MANIFEST: FetchedManifest = {
  ...{ bytes, digest: digestOf(bytes), contentType: 'application/json' },
};

/** `METHOD path reference` is answered, or an error is thrown. */
export type Script = (asked: string) => void | Promise<void>;

export interface ScriptedUpstream extends RegistryUpstream {
  /** What was asked so far. */
  readonly asked: string[];
  /** How the next questions are answered. */
  script: Script;
}

/** Answers everything until its script is another. */
export function scriptUpstream(name = 'lab.local'): ScriptedUpstream {
  const asked: string[] = [];
  const answer = async <T>(question: string, value: T): Promise<T> => {
    asked.push(question);
    await upstream.script(question);
    return value;
  };
  const upstream: ScriptedUpstream = {
    name,
    url: new URL(`https://${name}`),
    dispatcher: new CountingDispatcher(asked),
    asked,
    script: () => undefined,
    resolve: (path, tag) => answer(`HEAD ${path} ${tag}`, { digest: MANIFEST.digest }),
    fetchManifest: (path, reference) => answer(`GET ${path} ${reference}`, MANIFEST),
    referrers: (path, digest) => answer(`REFERRERS ${path} ${digest}`, []),
    openBlob: (path, digest) =>
      answer(`BLOB ${path} ${digest}`, {
        size: bytes.length,
        offset: 0,
        body: (async function* () {
          yield await Promise.resolve(bytes);
        })(),
        cancel: () => undefined,
      }),
    close: () => Promise.resolve(),
  };
  return upstream;
}

/** A script that fails everything, or what matches. */
export function failing(
  code: UpstreamErrorCode,
  options: ConstructorParameters<typeof UpstreamError>[2] & { readonly only?: RegExp } = {},
): Script {
  const { only = /./, ...rest } = options;
  return (asked) => {
    if (only.test(asked)) throw new UpstreamError(code, `${code} at ${asked}`, rest);
  };
}

/** Whoever gets as far as here would have asked. */
class CountingDispatcher extends Dispatcher {
  readonly #asked: string[];

  constructor(asked: string[]) {
    super();
    this.#asked = asked;
  }

  override dispatch(options: Dispatcher.DispatchOptions): boolean {
    this.#asked.push(`DISPATCH ${options.path}`);
    throw new UpstreamError('bad-response', 'there is no network here');
  }
}
