/** `countersign mirror …`: fetches and verifies a list of images ahead of time. */
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { plainText } from '../admission/plain-text.ts';
import { carry, type CarriedList, type CarryParts } from '../carry/carry.ts';
import { parsePlatform, type Wanted } from '../carry/wanted.ts';
import { ConfigError } from '../config/problem.ts';
import { describeFileError } from '../config/section.ts';
import { SigningError } from '../signing/signing-error.ts';
import type { CarryContext } from './carry-context.ts';
import { exitCodeOf, printList } from './carry-table.ts';
import { MAX_LIST, parseImageList, readWanted, type ListOptions } from './image-list.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';
import { createProgress } from './progress.ts';

const MAX_LINE = 2000;
const MAX_JOBS = 64;
/** Milliseconds. */
const TICK = 100;

/** @throws {TypeError} of `parseArgs` for options that there are not; ConfigError for a list with mistakes. */
export async function mirror(args: readonly string[], context: CarryContext): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      platform: { type: 'string', multiple: true },
      jobs: { type: 'string', default: '4' },
      json: { type: 'boolean', default: false },
    },
  });
  const { io } = context;
  return withUsage(io, async () => {
    const jobs = readJobs(values.jobs);
    const platforms = values.platform?.map(parsePlatform);
    requireArguments(positionals);
    const desk = context.openDesk(values.config);
    try {
      const wanted = await readAll(positionals, { ...desk, platforms }, context.readFile);
      const { client } = await desk.connect();
      const list = await carryAll(
        wanted,
        { jobs, withOthers: false, keepImages: false, client },
        context,
      );
      printList(list, values.json, io);
      return exitCodeOf(list);
    } finally {
      await desk.close();
    }
  });
}

/**
 * What ends the command is told in one line. Nothing was decided then, so that it never ends as after a refusal: a list
 * that makes no sense and a key that cannot be opened are usage, a proxy that cannot be had is not.
 */
export async function withUsage(io: CommandIo, work: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    io.err(plainText(error instanceof Error ? error.message : String(error), MAX_LINE));
    const isUsage =
      error instanceof SyntaxError ||
      error instanceof RangeError ||
      (error instanceof SigningError && error.code !== 'unreachable');
    return isUsage ? EXIT.usage : EXIT.undetermined;
  }
}

export function requireArguments(positionals: readonly string[]): void {
  if (positionals.length === 0) {
    throw new SyntaxError('expected references, or files that list them');
  }
}

/** @throws {SyntaxError} */
export function readJobs(text: string): number {
  const jobs = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (jobs >= 1 && jobs <= MAX_JOBS) return jobs;
  throw new SyntaxError(
    `--jobs: expected a number from 1 to ${MAX_JOBS}, got ${JSON.stringify(text)}`,
  );
}

/** References, `@FILE`, and files that are there. @throws {SyntaxError} or ConfigError */
export async function readAll(
  args: readonly string[],
  options: ListOptions,
  readFile: CarryContext['readFile'],
): Promise<readonly Wanted[]> {
  const found: Wanted[] = [];
  for (const arg of args) {
    const file = arg.startsWith('@') ? arg.slice(1) : isList(arg) ? arg : undefined;
    if (file === undefined) {
      if (FILE_NAME.test(arg))
        throw new SyntaxError(`there is no file ${arg}; an image of that name needs its tag`);
      found.push(readWanted(arg, options.platforms, options));
      continue;
    }
    const listed = parseImageList(await readList(file, readFile), file, options);
    if (listed.length === 0) throw new SyntaxError(`the list ${file} names no image`);
    // Not spread: an argument each is more than a call takes.
    for (const one of listed) found.push(one);
  }
  return found;
}

/** What nobody means as an image, though some of it could be one; such an image has a tag. */
const FILE_NAME = /^\.{0,2}\/|^[^:@*]*\.(?:txt|list|ya?ml|json)$/i;

/** A folder that is called like an image is no list. */
function isList(arg: string): boolean {
  return arg === '-' || statSync(arg, { throwIfNoEntry: false })?.isDirectory() === false;
}

async function readList(file: string, readFile: CarryContext['readFile']): Promise<string> {
  try {
    if (file !== '-' && statSync(file).size > MAX_LIST)
      throw new RangeError('it is larger than 1MiB');
    return await readFile(file);
  } catch (error) {
    const isSystem = error instanceof Error && 'code' in error;
    const reason = isSystem || !(error instanceof Error) ? describeFileError(error) : error.message;
    throw new SyntaxError(`cannot read the list ${file}: ${reason}`, { cause: error });
  }
}

/** Carries them and shows how it goes. */
export async function carryAll(
  wanted: readonly Wanted[],
  options: Pick<CarryParts, 'jobs' | 'withOthers' | 'keepImages' | 'client'>,
  { terminal, signal, settle }: Pick<CarryContext, 'terminal' | 'signal' | 'settle'>,
): Promise<CarriedList> {
  const progress = createProgress(terminal);
  const timer = setInterval(() => {
    progress.tick();
  }, TICK).unref();
  try {
    const settling = settle === undefined ? {} : { settle };
    return await carry(wanted, { ...options, ...settling, watch: progress, signal });
  } finally {
    clearInterval(timer);
    progress.end();
  }
}
