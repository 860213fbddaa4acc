/** Both sides of an air gap in one process: a registry that is exported from, and a cache that nobody may ask for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { request } from 'undici';
import { startApp } from '../../src/app.ts';
import { openImportDesk, type ImportDeskOptions } from '../../src/app/import-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { importBundle } from '../../src/cli/import.ts';
import type { Config } from '../../src/config/config.ts';
import { loadText } from './config-file.ts';
import {
  entriesOf,
  makeExport,
  tarOfEntries,
  type ExportedImage,
  type ExportOptions,
} from './export-bundle.ts';
import { createFakeContent, type FakeContent } from './fake-registry-content.ts';
import { putImage, putIndex, type ImageOptions, type PutImage } from './image.ts';
import { cosign2, createSigner, type Signer } from './signer.ts';

export const TEAM = 'team/app';
const logger = pino({ level: 'silent' });

export interface ImportLab {
  /** What is upstream of the exporting side. */
  readonly content: FakeContent;
  readonly signer: Signer;
  readonly stranger: Signer;
  readonly sealer: Signer;
  /** The cache folder of the importing side. */
  readonly path: string;
  readonly config: Config;
  image(name: string, options?: ImageOptions): PutImage;
  /** An image with a `.sig`. */
  signed(name: string, options?: ImageOptions): PutImage;
  /** A signed index over as many images. */
  index(tag: string, names: readonly string[]): { readonly digest: string; readonly size: number };
  /** The bytes of an export. */
  export(images: readonly (string | ExportedImage)[], options?: ExportOptions): Buffer;
  /** Writes a bundle and imports it. */
  import(
    bundle: Buffer | ReadonlyMap<string, Buffer>,
    args?: readonly string[],
    options?: Partial<ImportDeskOptions> & { readonly config?: Config },
  ): Promise<Imported>;
  /** The program on the importing side's cache. */
  serve(config?: Config): Promise<Served>;
  configure(changes?: ConfigChanges): Config;
}

export interface Imported {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Served {
  /** GET in {@link TEAM} of `lab.local`. */
  readonly get: (
    what: string,
    path?: string,
  ) => Promise<{ status: number; body: Buffer; text: string }>;
  readonly close: () => Promise<void>;
}

export interface ConfigChanges {
  /** Of the rule for everything. */
  readonly rule?: string;
  /** Further lines. */
  readonly more?: string;
  readonly upstream?: string;
  readonly signer?: Signer;
}

export function openImportLab(t: Test, changes: ConfigChanges = {}): ImportLab {
  const content = createFakeContent(false);
  const signer = createSigner();
  const sealer = createSigner();
  const folder = mkdtempSync(join(tmpdir(), 'countersign-import-test-'));
  const path = join(folder, 'cache');
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function configure({ rule, more = '', upstream, signer: trusted = signer }: ConfigChanges = {}) {
    return loadText(
      t,
      `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${path} }
${more}
upstreams:
  lab.local: { ${upstream ?? 'url: "http://127.0.0.1:9", insecureHttp: true, offline: true'} }
trustRoots:
  release: { publicKeys: [./release.pub] }
  seals: { publicKeys: [./seal.pub] }
policies:
  - name: releases
    match: lab.local/**
    ${rule ?? 'require: { key: { trustRoot: release } }'}
`,
      {
        inspect: inspectRules,
        files: { 'release.pub': trusted.publicPem, 'seal.pub': sealer.publicPem },
      },
    );
  }

  const config = configure(changes);
  let written = 0;
  const lab: ImportLab = {
    ...{ content, signer, sealer, path, config, configure },
    stranger: createSigner(),
    image: (name, options) => putImage(content, TEAM, name, options),
    signed(name, options) {
      const image = putImage(content, TEAM, name, options);
      cosign2(content, TEAM, image.digest, signer);
      return image;
    },
    index(tag, names) {
      const children = names.map((name) => putImage(content, TEAM, name));
      const index = putIndex(content, TEAM, children, { tag });
      cosign2(content, TEAM, index.digest, signer);
      return index;
    },
    export: (images, options) =>
      tarOfEntries(entriesOf(makeExport(content, images.map(toExported), options))),
    async import(bundle, args = [], { config: used = config, ...options } = {}) {
      const file = join(folder, `bundle-${written++}.tar`);
      writeFileSync(file, bundle instanceof Buffer ? bundle : tarOfEntries(bundle as never));
      return importFile(file, args, used, options);
    },
    async serve(used = config) {
      const nothing = (): void => undefined;
      const app = await startApp(used, {
        logger,
        observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
      });
      t.teardown(() => app.close());
      return {
        async get(what, of = TEAM) {
          const { statusCode, body } = await request(`${app.url}/v2/lab.local/${of}/${what}`);
          const bytes = Buffer.from(await body.arrayBuffer());
          return { status: statusCode, body: bytes, text: bytes.toString() };
        },
        close: () => app.close(),
      };
    },
  };
  return lab;
}

export function toExported(image: string | ExportedImage): ExportedImage {
  return typeof image === 'string' ? { path: TEAM, reference: image } : image;
}

/** The command on a file or folder. */
export async function importFile(
  file: string,
  args: readonly string[],
  config: Config,
  options: Partial<ImportDeskOptions> = {},
): Promise<Imported> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await importBundle([file, ...args], {
    openDesk: () => openImportDesk(config, { logger, input: nothing(), ...options }),
    terminal: { isTty: false, columns: () => 80, write: () => undefined },
    io: { out: (line) => void out.push(line), err: (line) => void err.push(line) },
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function* nothing(): AsyncGenerator<Buffer> {
  // Nothing comes.
}
