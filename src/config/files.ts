/** Where a configuration comes from: the files and folders that were read for it. */
import { dirname, join } from 'node:path';
import type { Config, TrustRootConfig } from './config.ts';

/**
 * Absolute paths. Folders are among them, since a file that comes or goes in one may be included. What is read at each use,
 * such as a password, and what only a start reads, is not.
 */
export function filesOf(config: Config): readonly string[] {
  const { file, included, upstreams, trustRoots } = config;
  const own = [file, ...included];
  const places = upstreams.flatMap((upstream) => [upstream, ...upstream.mirrors]);
  return [
    ...new Set([
      ...own,
      ...own.map(dirname),
      ...places.map(({ caFile }) => caFile).filter((path) => path !== undefined),
      ...trustRoots.flatMap(filesOfRoot),
    ]),
  ];
}

function filesOfRoot(root: TrustRootConfig): readonly string[] {
  switch (root.kind) {
    case 'public-keys':
      return paths(root.files);
    case 'notation': {
      const { ca, signingAuthority, tsa, revocationLists } = root;
      return [ca, signingAuthority, tsa, revocationLists].flatMap((files) => paths(files ?? []));
    }
    case 'notation-policy': {
      const { path, entries } = root.folder;
      const inside = entries.map((entry) => join(path, entry.path));
      return [path, ...inside, ...paths(root.revocationLists)];
    }
    case 'sigstore':
      return filesOfSource(root.source);
  }
}

function filesOfSource(
  source: Extract<TrustRootConfig, { kind: 'sigstore' }>['source'],
): readonly string[] {
  switch (source.kind) {
    case 'instance':
      return [];
    case 'file':
      return [source.file.path];
    case 'tuf':
      return [source.root.path];
    case 'parts': {
      const { certificateAuthorities, timestampAuthorities } = source;
      const logs = [...source.transparencyLogs, ...source.certificateLogs];
      return paths([
        ...certificateAuthorities,
        ...timestampAuthorities,
        ...logs.map(({ file }) => file),
      ]);
    }
  }
}

function paths(files: readonly { readonly path: string }[]): readonly string[] {
  return files.map(({ path }) => path);
}
