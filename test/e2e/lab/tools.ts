/** Where the real programs are that `.ci/install` brought, and what is missing. */
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const newer =
  process.env['COUNTERSIGN_TOOLS'] ??
  join(process.env['COUNTERSIGN_HOME'] ?? homedir(), '.cache', 'countersign-tools');

const places = {
  busybox: '/bin/busybox',
  openssl: '/usr/bin/openssl',
  htpasswd: '/usr/bin/htpasswd',
  'docker-registry': '/usr/bin/docker-registry',
  runc: '/usr/sbin/runc',
  docker: '/usr/bin/docker',
  dockerd: '/usr/sbin/dockerd',
  containerd: '/usr/bin/containerd',
  ctr: '/usr/bin/ctr',
  podman: '/usr/bin/podman',
  skopeo: '/usr/bin/skopeo',
  nginx: '/usr/sbin/nginx',
  'newer docker': join(newer, 'docker/usr/bin/docker'),
  'newer dockerd': join(newer, 'docker/usr/sbin/dockerd'),
  'newer containerd': join(newer, 'containerd/usr/bin/containerd'),
  'newer ctr': join(newer, 'containerd/usr/bin/ctr'),
  'newer skopeo': join(newer, 'skopeo/usr/bin/skopeo'),
  'cosign 2': join(newer, 'cosign-2/usr/bin/cosign'),
  'cosign 3': join(newer, 'cosign-3/usr/bin/cosign'),
  oras: join(newer, 'oras/usr/bin/oras'),
  notation: join(newer, 'notation/usr/bin/notation'),
  'timestamp-server': join(newer, 'timestamp-server/usr/bin/timestamp-server'),
  bao: join(newer, 'openbao/usr/bin/bao'),
  'moto server': join(newer, 'moto/usr/bin/moto_server'),
  crane: join(newer, 'crane/usr/bin/crane'),
} as const;

/** A program of the lab; "newer" ones stand beside those of the system. */
export type Tool = keyof typeof places;

/** The path of a program. */
export function toolPath(tool: Tool): string {
  return places[tool];
}

/** Those of `tools` that are not on this machine. */
export function findMissing(tools: readonly Tool[]): readonly Tool[] {
  return tools.filter((tool) => {
    try {
      accessSync(places[tool], constants.X_OK);
      return false;
    } catch {
      return true;
    }
  });
}
