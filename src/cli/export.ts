/** `countersign export … -o bundle.tar`: images with all that is needed to verify them elsewhere, in one file. */
import { parseArgs } from 'node:util';
import { plainText } from '../admission/plain-text.ts';
import type { CarriedList } from '../carry/carry.ts';
import { planExport } from '../carry/export-plan.ts';
import type { ProxyClient } from '../carry/proxy-client.ts';
import { parsePlatform } from '../carry/wanted.ts';
import { layoutSize, writeLayout, type WrittenLayout } from '../layout/write-layout.ts';
import { sizeText } from './cache.ts';
import type { CarryContext } from './carry-context.ts';
import type { ExportDesk } from './carry-desk.ts';
import { exitCodeOf, jsonOf, tableOf } from './carry-table.ts';
import { createImportProgress } from './import-progress.ts';
import { EXIT, type ExitCode } from './io.ts';
import { carryAll, readAll, readJobs, requireArguments, withUsage } from './mirror.ts';

const MAX_LINE = 2000;

interface Options {
  readonly output: string;
  readonly key: string | undefined;
  readonly jobs: number;
  readonly json: boolean;
}

/** @throws {TypeError} of `parseArgs` for options that there are not; ConfigError for a list with mistakes. */
export async function exportBundle(
  args: readonly string[],
  context: CarryContext<ExportDesk>,
): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      output: { type: 'string', short: 'o' },
      platform: { type: 'string', multiple: true },
      key: { type: 'string' },
      jobs: { type: 'string', default: '4' },
      json: { type: 'boolean', default: false },
    },
  });
  return withUsage(context.io, async () => {
    const { output, key, json } = values;
    if (output === undefined) throw new SyntaxError('expected -o FILE, the bundle to write');
    const options: Options = { output, key, json, jobs: readJobs(values.jobs) };
    const platforms = values.platform?.map(parsePlatform);
    requireArguments(positionals);
    const desk = context.openDesk(values.config);
    try {
      const obstacle = await desk.findObstacle(output);
      if (obstacle !== undefined) throw new SyntaxError(`cannot write ${output}: ${obstacle}`);
      const wanted = await readAll(positionals, { ...desk, platforms }, context.readFile);
      const seal = key === undefined ? undefined : await desk.openSeal(key);
      const { client } = await desk.connect();
      const carrying = { jobs: options.jobs, withOthers: true, keepImages: true, client };
      const list = await carryAll(wanted, carrying, context);
      return await finish(list, { ...options, desk, client, seal }, context);
    } finally {
      await desk.close();
    }
  });
}

interface Finishing extends Options {
  readonly desk: ExportDesk;
  readonly client: ProxyClient;
  readonly seal: Awaited<ReturnType<ExportDesk['openSeal']>> | undefined;
}

async function finish(
  list: CarriedList,
  finishing: Finishing,
  context: CarryContext<ExportDesk>,
): Promise<ExitCode> {
  const { output, json } = finishing;
  const { io, signal } = context;
  const out = (line: string): void => {
    // The bundle itself may be what goes there.
    if (output === '-') io.err(line);
    else io.out(line);
  };
  const isWritten = list.images.length > 0 && list.undone === 0;
  let written: { readonly bytes: number } | { readonly reason: string } | undefined;
  if (isWritten) {
    try {
      written = { bytes: await write(list, finishing, context) };
    } catch (error) {
      written = { reason: error instanceof Error ? error.message : String(error) };
    }
  }
  const bytes = written !== undefined && 'bytes' in written ? written.bytes : undefined;
  if (json) {
    const file = bytes === undefined ? undefined : { file: output, size: bytes };
    out(JSON.stringify({ ...jsonOf(list), bundle: file }, undefined, 2));
  } else {
    for (const line of tableOf(list)) out(line);
    if (bytes !== undefined) {
      const count = list.images.length === 1 ? '1 image' : `${list.images.length} images`;
      out(`${output}: ${sizeText(bytes)}, ${count}`);
    }
  }
  if (written !== undefined && 'reason' in written) {
    const left = output === '-' ? 'what was sent is not whole' : 'nothing was written';
    io.err(plainText(`cannot export, ${left}: ${written.reason}`, MAX_LINE));
    return signal.aborted ? EXIT.interrupted : EXIT.undetermined;
  }
  if (bytes === undefined) io.err('nothing was written');
  return exitCodeOf(list);
}

/** @returns bytes. @throws {Error} where it cannot be written as a whole. */
async function write(
  list: CarriedList,
  { output, desk, client, seal }: Finishing,
  { terminal, signal }: CarryContext<ExportDesk>,
): Promise<number> {
  const { ruleOf, clock } = desk;
  const rules = new Set(list.images.map(({ wanted }) => ruleOf(wanted.reference.repository)));
  const layout: WrittenLayout = await planExport(list.images, {
    ...{ ruleOf, seal, now: clock() },
    files: await desk.collectFiles(rules),
    open: (repository, content) => client.openBlob(repository, content),
  });
  const total = layoutSize(layout);
  const progress = createImportProgress(terminal);
  let done = 0;
  try {
    await desk.writeFile(output, (writeBytes) =>
      writeLayout(layout, async (bytes) => {
        signal.throwIfAborted();
        await writeBytes(bytes);
        done += bytes.length;
        progress.show('written', done, total);
      }),
    );
  } finally {
    progress.end();
  }
  return total;
}
