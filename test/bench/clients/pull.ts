/** A process of clients that pull one image at the same moment: its manifest, then its config and layers side by side. */
import { rawGet, type RawGet } from './raw-get.ts';

/** The one argument, as JSON. */
export interface PullTask {
  readonly url: string;
  /** `/v2/NAME` */
  readonly path: string;
  readonly tag: string;
  readonly clients: number;
  /** Bytes a second that each connection takes at most. */
  readonly bytesPerSecond?: number;
  /** Seconds after which everybody leaves. */
  readonly seconds?: number;
}

/** The one line it prints, as JSON. */
export interface PullResult {
  /** Seconds until the last client had everything. */
  readonly wall: number;
  readonly bytes: number;
}

const ACCEPT = { accept: 'application/vnd.oci.image.manifest.v1+json' };

async function pull(
  task: PullTask,
  rest: Pick<RawGet, 'host' | 'port' | 'signal'>,
): Promise<number> {
  const path = `${task.path}/manifests/${task.tag}`;
  const manifest = await rawGet({ ...rest, path, headers: ACCEPT, keep: true });
  const digests = digestsIn(manifest.body.toString());
  const bodies = await Promise.all(
    digests.map((digest) =>
      rawGet({
        ...rest,
        path: `${task.path}/blobs/${digest}`,
        bytesPerSecond: task.bytesPerSecond,
      }),
    ),
  );
  return bodies.reduce((sum, { bytes }) => sum + bytes, manifest.bytes);
}

/** Of the config and the layers. */
function digestsIn(manifest: string): readonly string[] {
  return [...manifest.matchAll(/"digest":"(sha256:[0-9a-f]{64})"/g)].map(
    ([, digest]) => digest ?? '',
  );
}

const task = JSON.parse(process.argv[2] ?? '') as PullTask;
const { hostname: host, port } = new URL(task.url);
const signal =
  task.seconds === undefined ? undefined : AbortSignal.timeout(Math.ceil(task.seconds * 1000));
const begun = performance.now();
const pulls = Array.from({ length: task.clients }, () =>
  pull(task, { host, port: Number(port), signal }),
);
const counts = await Promise.all(pulls);
const result: PullResult = {
  wall: (performance.now() - begun) / 1000,
  bytes: counts.reduce((sum, count) => sum + count, 0),
};
console.log(JSON.stringify(result));
