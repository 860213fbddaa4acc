/** `countersign import BUNDLE`: decides about everything in it by this side's own rules, and serves what is admitted. */
import { parseArgs } from 'node:util';
import { plainText } from '../admission/plain-text.ts';
import { parseReference } from '../oci/reference.ts';
import { LayoutError } from '../layout/layout-error.ts';
import type { Naming } from '../layout/listed-contents.ts';
import { FillError } from '../store/blob-store.ts';
import { StoreError } from '../store/store-error.ts';
import type { ImportDesk, OnProgress } from './import-desk.ts';
import { createImportProgress, type ImportTerminal } from './import-progress.ts';
import { reportExit, reportJson, reportLines, showJson, showLines } from './import-text.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

export interface ImportContext {
  /** Opens the cache of the configuration; without a file the shipped one. */
  readonly openDesk: (file: string | undefined) => Promise<ImportDesk>;
  readonly terminal: ImportTerminal;
  readonly io: CommandIo;
}

const MAX_LINE = 2000;

/**
 * @returns 0 when everything was admitted, 1 when anything was refused, 2 for what makes no sense, 3 when something could
 * not be decided or written and nothing was refused.
 * @throws {TypeError} of `parseArgs` for options that there are not.
 */
export async function importBundle(
  args: readonly string[],
  { openDesk, terminal, io }: ImportContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      as: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      show: { type: 'boolean', default: false },
      extract: { type: 'string' },
    },
  });
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) {
    io.err(`expected one bundle: a file, a folder or -, got ${positionals.length}`);
    return EXIT.usage;
  }
  const desk = await openDesk(values.config);
  const progress = createImportProgress(terminal);
  try {
    return await work(desk, { ...values, file, dryRun: values['dry-run'] }, progress.show, io);
  } catch (error) {
    progress.end();
    const code = exitOf(error);
    if (code === undefined) throw error;
    io.err(plainText(`${file}: ${error instanceof Error ? error.message : ''}`, MAX_LINE));
    return code;
  } finally {
    progress.end();
    await desk.close();
  }
}

interface Wanted {
  readonly file: string;
  readonly as?: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly show: boolean;
  readonly extract?: string | undefined;
}

async function work(
  desk: ImportDesk,
  { file, as, dryRun, json, show, extract }: Wanted,
  onProgress: OnProgress,
  io: CommandIo,
): Promise<ExitCode> {
  const naming = as === undefined ? undefined : parseNaming(as, desk);
  const opened = await desk.open(file, naming, onProgress);
  if (show) {
    const files = await desk.describeFiles(opened);
    if (json) io.out(showJson(opened, files));
    else for (const line of showLines(opened, files)) io.out(line);
  }
  if (extract !== undefined) {
    const written = await desk.extract(opened, extract);
    for (const path of written) io.err(plainText(`wrote ${path}`, MAX_LINE));
    if (written.length === 0) io.err('it brings no files');
  }
  if (show || extract !== undefined) return EXIT.ok;
  const report = await desk.import(opened, { dryRun, onProgress });
  if (json) io.out(reportJson(report, dryRun));
  else for (const line of reportLines(report, dryRun)) io.out(line);
  return reportExit(report);
}

/** `REGISTRY/REPOSITORY`, to which tags of the layout belong, or the name of the one image in it. */
function parseNaming(text: string, desk: ImportDesk): Naming {
  const last = text.slice(text.lastIndexOf('/') + 1);
  const reference = parseReference(text, {
    registry: desk.defaultRegistry,
    isRegistry: (name) => desk.isRegistry(name),
  });
  const { repository } = reference;
  const isWhole = last.includes(':') || text.includes('@');
  return isWhole ? { repository, reference } : { repository };
}

/** The exit code of what can be expected to go wrong; undefined for anything else. */
function exitOf(error: unknown): ExitCode | undefined {
  if (error instanceof SyntaxError) return EXIT.usage;
  if (error instanceof StoreError || error instanceof FillError) return EXIT.undetermined;
  if (!(error instanceof LayoutError)) return undefined;
  switch (error.code) {
    case 'unreadable':
    case 'compressed':
    case 'not-a-layout':
    case 'unnamed':
      return EXIT.usage;
    default:
      return EXIT.denied;
  }
}
