/** `cosign verify` of one image, in a process of its own as everybody runs it, with what it took. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { run } from '../e2e/lab/process.ts';
import { toolPath } from '../e2e/lab/tools.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../helpers/sigstore/leaf.ts';
import type { Form, Signers } from './signed-images.ts';

export type CosignTool = 'cosign 2' | 'cosign 3';

export interface CosignRun {
  /** Milliseconds. */
  readonly wall: number;
  /** Milliseconds of processor time. */
  readonly cpu: number;
  /** What it said when it refused. */
  readonly refusal: string | undefined;
}

export interface Cosign {
  verify(tool: CosignTool, form: Form, image: string): Promise<CosignRun>;
  /** `cosign version`: what starting it takes. */
  start(tool: CosignTool): Promise<CosignRun>;
  version(tool: CosignTool): Promise<string>;
}

export function createCosign(folder: string, { signer, sigstore }: Signers): Cosign {
  const key = join(folder, 'key.pub');
  const trustedRoot = join(folder, 'trusted_root.json');
  const home = join(folder, 'home');
  mkdirSync(home);
  writeFileSync(key, signer.publicPem);
  writeFileSync(trustedRoot, JSON.stringify(sigstore.trustedRootJson()));
  const own = { HOME: home, DOCKER_CONFIG: home, TUF_ROOT: join(home, 'tuf') };
  const pem = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  // Version 2 reads a trusted root only for bundles, and else looks for the public one.
  const parts = {
    SIGSTORE_ROOT_FILE: pem('ca.pem', sigstore.certificateRoot.pem + sigstore.intermediate.pem),
    SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: pem('ct.pub', sigstore.certificateLog.key.pem),
    SIGSTORE_REKOR_PUBLIC_KEY: pem('rekor.pub', sigstore.log.key.pem),
    SIGSTORE_TSA_CERTIFICATE_FILE: pem(
      'tsa.pem',
      sigstore.timestampAuthority.chain.map((one) => one.pem).join(''),
    ),
  };
  const envOf = (tool: CosignTool) => (tool === 'cosign 2' ? { ...own, ...parts } : own);

  function optionsOf(tool: CosignTool, form: Form): readonly string[] {
    // Version 3 looks for bundles by itself, and then for .sig.
    const bundles = tool === 'cosign 2' && !form.endsWith('-tag') ? ['--new-bundle-format'] : [];
    if (form === 'key-tag' || form === 'key') {
      return [...bundles, '--key', key, '--insecure-ignore-tlog=true'];
    }
    return [
      ...bundles,
      ...(tool === 'cosign 2' && form === 'keyless-tag' ? [] : ['--trusted-root', trustedRoot]),
      ...['--certificate-identity', WORKFLOW],
      ...['--certificate-oidc-issuer', GITHUB_ISSUER],
      ...(form === 'keyless-v2' ? ['--use-signed-timestamps'] : []),
    ];
  }

  async function timed(tool: CosignTool, args: readonly string[]): Promise<CosignRun> {
    // The shell's own clock, so that starting the shell is not counted.
    const script = 'TIMEFORMAT="timed %3R %3U %3S"; time "$@"';
    const { status, output } = await run('bash', ['-c', script, 'bash', toolPath(tool), ...args], {
      env: envOf(tool),
    });
    const [, real, user, system] = /timed ([\d.]+) ([\d.]+) ([\d.]+)/.exec(output) ?? [];
    return {
      wall: Number(real) * 1000,
      cpu: (Number(user) + Number(system)) * 1000,
      refusal: status === 0 ? undefined : lastWords(output),
    };
  }

  return {
    verify: (tool, form, image) =>
      timed(tool, ['verify', '--allow-http-registry', ...optionsOf(tool, form), image]),
    start: (tool) => timed(tool, ['version']),
    async version(tool) {
      const { output } = await run(toolPath(tool), ['version'], { env: envOf(tool) });
      const own = /GitVersion:\s*(\S+)/.exec(output)?.[1];
      return own === undefined || own === 'devel' ? packagedVersion(tool) : own;
    },
  };
}

function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const said = lines.filter((line) => line !== '' && !line.startsWith('timed '));
  return (said.find((line) => /^error/i.test(line)) ?? said.at(-1) ?? 'nothing').slice(0, 300);
}

/** Debian's builds do not know their own version; their changelog does. */
function packagedVersion(tool: CosignTool): string {
  const file = join(dirname(toolPath(tool)), '../share/doc/cosign/changelog.Debian.gz');
  try {
    const text = gunzipSync(readFileSync(file)).toString();
    return /\(([^)]+)\)/.exec(text)?.[1] ?? 'of an unknown version';
  } catch {
    return 'of an unknown version';
  }
}
