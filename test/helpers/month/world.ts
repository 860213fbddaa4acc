/**
 * The world of the simulated month: a registry with six repositories, who signs in them, a proxy before them, a clock.
 *
 * `app:v1` is a tag of a repository, `app@two` an image in it. Time goes by in steps of some hours: after each there is a
 * round of verifying again, as the program has it, and those who pull all the time do so.
 */
import type { Test } from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { TagOrder } from '../../../src/store/tag-records.ts';
import type { FakeRegistry } from '../fake-registry.ts';
import type { FaultAction } from '../fake-registry-reply.ts';
import { putImage, type PutImage } from '../image.ts';
import { told } from '../lab.ts';
import { putNotation } from '../notation/manifest.ts';
import { signJws } from '../notation/signed.ts';
import { openFakeRegistry } from '../open-upstream.ts';
import { startProxy, type Answer, type Proxy } from '../proxy.ts';
import { cosign2, createSigner, dsseBundle, putBundle, rootOf } from '../signer.ts';
import { DAY, HOUR, NOW } from '../../verify/notation/revocation/made-revocation.ts';
import { RULES, VULN } from './rules.ts';
import { openVendor } from './vendor.ts';

/** The longest step. */
const STEP = 6 * HOUR;
/** Midnight of day 1: June 1, 2026. */
const START = NOW;

export interface Month {
  readonly registry: FakeRegistry;
  readonly proxy: Proxy;
  /** Goes to the midnight at which a day begins, step by step. */
  readonly goTo: (day: number) => Promise<void>;
  /** Goes on by some hours, step by step. */
  readonly later: (hours: number) => Promise<void>;
  /** What is pulled after each step from now on. */
  readonly watch: (...references: readonly string[]) => void;
  /** What those who watch saw, and since which day. */
  readonly saw: (reference: string) => readonly string[];

  /** A tag comes to mean a new image. */
  readonly push: (tag: string, image: string) => void;
  /** The same, signed by the key of the releases. */
  readonly release: (tag: string, image: string) => void;
  readonly retag: (tag: string, image: string) => void;
  readonly remove: (tag: string) => void;
  readonly sign: (image: string) => void;
  /** As somebody who deletes signatures, or a registry that loses them. */
  readonly unsign: (image: string) => void;
  /** A scan of today. */
  readonly scan: (image: string) => void;
  /** A signature of the vendor's, that ends at the beginning of a day. */
  readonly signAsVendor: (image: string, until?: number) => void;
  readonly revokeVendor: () => void;
  /** The key of the releases is another from now on. */
  readonly changeKey: () => void;
  /** Nobody believes the old key of the releases any more. */
  readonly reloadRoots: () => void;
  /** Every answer is spoilt; returns the end of it. */
  readonly fail: (action: FaultAction) => () => void;

  /** The name of the image, with `held` and `stale` where there is such a warning; or status and code. */
  readonly pull: (reference: string) => Promise<string>;
  /** What becomes of everything of an image, by digests: manifest, configuration and layer. */
  readonly pullAll: (image: string) => Promise<string>;
  /** The words of a warning or a refusal. */
  readonly why: (reference: string) => Promise<string>;
  readonly retryAfter: (reference: string) => Promise<string>;
  /** What `countersign pins` would write for an operator. */
  readonly order: (tag: string, order: TagOrder) => Promise<void>;

  /** Questions to upstream about tags and images of a repository, since they were last looked at. */
  readonly asked: (repository: string) => readonly string[];
  /** Images whose signatures were looked for upstream, in the same way. */
  readonly looked: () => readonly string[];
  /** All questions to upstream, in the same way. */
  readonly countAsked: () => number;
  /** Moves of tags as they are told, in the same way. */
  readonly moves: () => readonly string[];
  /** Rules of images that were withdrawn, in the same way. */
  readonly withdrawn: () => readonly string[];
  /** Names of all images that anybody got. */
  readonly served: ReadonlySet<string>;
}

export async function openMonth(t: Test): Promise<Month> {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const vendor = openVendor();
  let key = createSigner();
  const roots = () => [rootOf('release', key), vendor.root];
  const proxy: Proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: RULES,
    trustRoots: roots(),
    spared: { failures: 3, firstRest: 10_000, longestRest: 120_000 },
    upstream: { retry: { attempts: 1 } },
    fetchBytes: () => Promise.resolve(vendor.listAt(proxy.now)),
  });
  proxy.now = START;

  const images = new Map<string, PutImage>();
  const names = new Map<string, string>();
  const served = new Set<string>();
  const seen = new Map<string, string[]>();
  const counted = { moves: 0, withdrawn: 0 };

  const pathOf = (repository: string): string => `team/${repository}`;

  function find(image: string): { readonly path: string; readonly put: PutImage } {
    const put = images.get(image);
    if (put === undefined) throw new Error(`there is no image ${image}`);
    return { path: pathOf(image.split('@')[0] ?? ''), put };
  }

  function parse(tag: string): {
    readonly name: string;
    readonly path: string;
    readonly tag: string;
  } {
    const [name = '', after = ''] = tag.split(':');
    return { name, path: pathOf(name), tag: after };
  }

  function get(reference: string): Promise<Answer> {
    if (!reference.includes('@')) {
      const { path, tag } = parse(reference);
      return proxy.get(`/v2/lab.local/${path}/manifests/${tag}`);
    }
    const { path, put } = find(reference);
    return proxy.get(`/v2/lab.local/${path}/manifests/${put.digest}`);
  }

  function push(reference: string, image: string): string {
    const { name, path, tag } = parse(reference);
    const key = `${name}@${image}`;
    const put = putImage(registry, path, key, { tag });
    images.set(key, put);
    names.set(put.digest, image);
    return key;
  }

  function sign(image: string): void {
    const { path, put } = find(image);
    cosign2(registry, path, put.digest, key);
  }

  async function pull(reference: string): Promise<string> {
    const answer = await get(reference);
    if (answer.status !== 200) return told(answer);
    const digest = digestOf(answer.body);
    const name = names.get(digest) ?? digest;
    served.add(name);
    const warning = String(answer.headers['warning'] ?? '');
    return [name, ...['stale', 'held'].filter((word) => warning.includes(`${word}: `))].join(', ');
  }

  async function pullAll(image: string): Promise<string> {
    const { path, put } = find(image);
    const blobs = [put.config, ...put.layers].map((blob) => `/v2/lab.local/${path}/blobs/${blob}`);
    const statuses = [told(await get(image))];
    for (const blob of blobs) statuses.push(told(await proxy.get(blob)));
    return [...new Set(statuses)].join();
  }

  async function goOn(then: number): Promise<void> {
    while (proxy.now < then) {
      proxy.now = Math.min(proxy.now + STEP, then);
      await proxy.reverify();
      for (const [reference, lines] of seen) {
        const result = await pull(reference);
        if (lines.at(-1)?.endsWith(`: ${result}`) !== true) lines.push(`day ${today()}: ${result}`);
      }
    }
  }

  const today = (): number => Math.floor((proxy.now - START) / DAY) + 1;

  /** In the words of this file; undefined for signatures, and for blobs. */
  function describe(method: string, url: string): string | undefined {
    const [, name = '', what = ''] = /^\/v2\/team\/(\w+)\/manifests\/([\w:]+)$/.exec(url) ?? [];
    if (name === '') return undefined;
    if (!what.startsWith('sha256:')) return `${method} ${name}:${what}`;
    const image = names.get(what);
    return image === undefined ? undefined : `${method} ${name}@${image}`;
  }

  /** Where in the log of requests the last look ended, by who looks. */
  const looked = new Map<string, number>();
  function requestsSince(who: string) {
    const since = looked.get(who) ?? 0;
    looked.set(who, registry.requests.length);
    return registry.requests.slice(since);
  }

  return {
    registry,
    proxy,
    served,
    goTo: (day) => goOn(START + (day - 1) * DAY),
    later: (hours) => goOn(proxy.now + hours * HOUR),
    watch(...references) {
      for (const reference of references) seen.set(reference, []);
    },
    saw: (reference) => seen.get(reference) ?? [],

    push,
    release(reference, image) {
      sign(push(reference, image));
    },
    retag(reference, image) {
      const { name, path, tag } = parse(reference);
      registry.tag(path, tag, find(`${name}@${image}`).put.digest);
    },
    remove(reference) {
      const { path, tag } = parse(reference);
      registry.deleteTag(path, tag);
    },
    sign,
    unsign(image) {
      const { path, put } = find(image);
      registry.deleteTag(path, `${put.digest.replace(':', '-')}.sig`);
    },
    scan(image) {
      const { path, put } = find(image);
      const at = new Date(proxy.now).toISOString();
      const text = JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha256: put.digest.slice(7) } }],
        predicateType: VULN,
        predicate: { scanner: {}, metadata: { scanStartedOn: at, scanFinishedOn: at } },
      });
      putBundle(registry, path, put, dsseBundle(key, Buffer.from(text)));
    },
    signAsVendor(image, until) {
      const { path, put } = find(image);
      const target = { mediaType: OCI_MANIFEST, digest: put.digest, size: put.size };
      const envelope = signJws(vendor.signer, target, {
        signingTime: proxy.now,
        ...(until === undefined ? {} : { expiry: START + (until - 1) * DAY }),
      });
      putNotation(registry, path, envelope, target);
    },
    revokeVendor() {
      vendor.revoke();
    },
    changeKey() {
      key = createSigner();
    },
    reloadRoots() {
      proxy.reload(RULES, roots());
    },
    fail: (action) => registry.fault(/./, action),

    pull,
    pullAll,
    async why(reference) {
      const { headers, error } = await get(reference);
      return error?.message ?? String(headers['warning'] ?? '');
    },
    async retryAfter(reference) {
      return String((await get(reference)).headers['retry-after']);
    },
    async order(reference, order) {
      const { path, tag } = parse(reference);
      const repository = parseRepository('lab.local', path);
      await proxy.records.giveOrders([{ repository, tag, order }]);
      proxy.admission.forget();
    },

    asked: (repository) =>
      requestsSince(repository)
        .map(({ method, url }) => describe(method, url))
        .filter((line): line is string => line?.includes(` ${repository}`) === true),
    looked: () =>
      requestsSince('signatures').flatMap(({ url }) => {
        const [, name, digest = ''] = /^\/v2\/team\/(\w+)\/referrers\/([\w:]+)/.exec(url) ?? [];
        return name === undefined ? [] : [`${name}@${names.get(digest) ?? digest}`];
      }),
    countAsked: () => requestsSince('').length,
    moves() {
      const news = proxy.moves.slice(counted.moves);
      counted.moves = proxy.moves.length;
      return news.map(({ rule, outcome, why }) => `${rule} ${outcome}: ${why}`);
    },
    withdrawn() {
      const news = proxy.withdrawn.slice(counted.withdrawn);
      counted.withdrawn = proxy.withdrawn.length;
      return news;
    },
  };
}
