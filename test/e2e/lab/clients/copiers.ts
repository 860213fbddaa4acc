/** skopeo and crane, which copy images out to a folder instead of running them. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { digestOf } from '../images.ts';
import { run, type Finished } from '../process.ts';
import { toolPath, type Tool } from '../tools.ts';
import { join, type Client, type ClientKind, type ClientSetting } from './client.ts';
import { brokenBlob, writeRegistriesConf } from './podman.ts';

export const copierKinds: readonly ClientKind[] = [
  skopeoKind('skopeo', 'skopeo', false),
  skopeoKind('skopeo, rewritten', 'skopeo', true),
  skopeoKind('newer skopeo', 'newer skopeo', false),
  { ...copier('crane', ['crane'], copyWithCrane), thorough: true },
];

/** Copies `name` into `folder`; gives the digest of what lies there. */
type Copy = (
  name: string,
  folder: string,
  setting: ClientSetting,
) => Promise<{ finished: Finished; digest: () => string }>;

function skopeoKind(name: string, tool: Tool, rewritten: boolean): ClientKind {
  return copier(
    name,
    [tool],
    async (source, folder, setting) => {
      const finished = await run(toolPath(tool), [
        ...['--registries-conf', writeRegistriesConf(setting.folder, setting.proxy)],
        ...['--insecure-policy', 'copy', '--all', '--preserve-digests'],
        ...[`docker://${source}`, `dir:${folder}`],
      ]);
      return { finished, digest: () => digestOf(readFileSync(joinPath(folder, 'manifest.json'))) };
    },
    rewritten,
  );
}

async function copyWithCrane(source: string, folder: string): ReturnType<Copy> {
  const finished = await run(toolPath('crane'), ['pull', '--format', 'oci', source, folder]);
  const digest = (): string => {
    const index = JSON.parse(readFileSync(joinPath(folder, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    return index.manifests[0]?.digest ?? '';
  };
  return { finished, digest };
}

function copier(name: string, needs: readonly Tool[], copy: Copy, rewritten = false): ClientKind {
  const start = async (setting: ClientSetting): Promise<Client> => {
    let copies = 0;
    mkdirSync(setting.folder, { recursive: true });
    return {
      pull: async ({ repository, reference }) => {
        copies += 1;
        const source = `${rewritten ? '' : `${setting.proxy}/`}lab.local/${repository}`;
        const folder = joinPath(setting.folder, `copy-${copies}`);
        const { finished, digest } = await copy(join(source, reference), folder, setting);
        const { status, output } = finished;
        return status === 0 ? { ok: true, output, digest: digest() } : { ok: false, output };
      },
      // Every copy goes to a folder of its own, so each is the first.
      fresh: async () => undefined,
      stop: async () => undefined,
    };
  };
  const way = rewritten ? 'redirected' : 'direct';
  return { name, needs, way, thorough: false, voice: 'message', brokenBlob, start };
}
