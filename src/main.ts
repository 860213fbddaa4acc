#!/usr/bin/env node
/** The process: arguments, signals, exit codes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { openVerifier } from './app.ts';
import { openCarryDesk } from './app/carry-desk.ts';
import { openApprovalsDesk } from './app/approvals-desk.ts';
import { openKeyDesk } from './app/key-desk.ts';
import { readPolicyKeys } from './app/policy-keys.ts';
import { openImportDesk } from './app/import-desk.ts';
import { openPinsDesk } from './app/pins-desk.ts';
import { inspectRules, readKeep } from './app/rules.ts';
import { adoptBeforeTidying } from './app/tidying.ts';
import { approvals, isApprovalCommand } from './cli/approvals.ts';
import { carryContext } from './cli/carry-context.ts';
import { cacheGc, cacheScrub, cacheStats, SCRUB_RATE } from './cli/cache.ts';
import { configCheck } from './cli/config-check.ts';
import { importBundle, type ImportContext } from './cli/import.ts';
import { exportBundle } from './cli/export.ts';
import { EXIT, type CommandIo, type ExitCode } from './cli/io.ts';
import { survive } from './cli/lost-output.ts';
import { mirror } from './cli/mirror.ts';
import { pins } from './cli/pins.ts';
import { usageOf } from './cli/usage.ts';
import { verify } from './cli/verify.ts';
import { verifyBundle } from './cli/verify-bundle.ts';
import type { Config } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { parseSize } from './config/units.ts';
import { ConfigError } from './config/problem.ts';
import { serve } from './serve.ts';

const DEFAULT_CONFIG = fileURLToPath(new URL('../config/countersign.yaml', import.meta.url));

const io: CommandIo = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
};

/** Milliseconds for which decisions under rules that are no more stay: a rule may come back. */
const FORGET_AFTER = 30 * 86_400_000;

/** A command line that makes no sense. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

function load(file: string): Config {
  return loadConfig(file, { env: process.env, inspect: inspectRules });
}

async function run(args: readonly string[]): Promise<ExitCode | undefined> {
  // It has options of its own, in any order: a protocol that other people's test suites speak.
  if (args[0] === 'verify-bundle') return verifyBundle(args.slice(1), io);
  if (args.includes('--help') || args.includes('-h')) {
    io.out(usageOf(args[0]));
    return EXIT.ok;
  }
  if (args[0] === 'import') return importBundle(args.slice(1), importContext());
  if (args[0] === 'mirror' || args[0] === 'export') {
    const open = (file = DEFAULT_CONFIG, signal: AbortSignal) =>
      openCarryDesk(load(file), { logger: pino({ level: 'silent' }), signal, env: process.env });
    const command = args[0] === 'mirror' ? mirror : exportBundle;
    return command(args.slice(1), carryContext(open, io));
  }
  if (isApprovalCommand(args[0])) {
    const open = (file = DEFAULT_CONFIG) =>
      openApprovalsDesk(load(file), pino({ level: 'silent' }));
    return approvals(args, { keys: openKeyDesk(process.env), open }, io);
  }
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
      rate: { type: 'string', default: SCRUB_RATE },
      'dry-run': { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (command === 'help') {
    io.out(usageOf(rest[0]));
    return EXIT.ok;
  }
  if (values.version) {
    io.out(version());
    return EXIT.ok;
  }
  const file = values.config ?? DEFAULT_CONFIG;
  switch (command) {
    case 'serve':
      expectArguments(rest, 0);
      await serve(load(file), () => load(file));
      return undefined;
    case 'verify': {
      const [reference = ''] = expectArguments(rest, 1);
      return runVerify(reference, load(file), values.json);
    }
    case 'config': {
      const [action, checked = ''] = expectArguments(rest, 2);
      if (action !== 'check') throw new UsageError(`expected "config check FILE"`);
      return configCheck(checked, { env: process.env, inspect: inspectRules }, io);
    }
    case 'pins':
      return runPins(rest, load(file), values.json);
    case 'cache': {
      const [action = ''] = expectArguments(rest, 1);
      return runCache(action, load(file), { ...values, dryRun: values['dry-run'] });
    }
    default:
      throw new UsageError(
        command === undefined ? 'expected a command' : `unknown command ${JSON.stringify(command)}`,
      );
  }
}

/** What the import needs of this process. */
function importContext(): ImportContext {
  const { stderr, stdin } = process;
  return {
    openDesk: (file = DEFAULT_CONFIG) =>
      openImportDesk(load(file), { logger: pino({ level: 'silent' }), input: stdin }),
    terminal: {
      isTty: stderr.isTTY,
      columns: () => stderr.columns,
      write: (text) => void stderr.write(text),
    },
    io,
  };
}

function expectArguments(rest: readonly string[], count: number): readonly string[] {
  if (rest.length !== count)
    throw new UsageError(`expected ${count} arguments, got ${rest.length}`);
  return rest;
}

async function runVerify(reference: string, config: Config, json: boolean): Promise<ExitCode> {
  // The command prints its own answer; what the rooms would log is noise beside it.
  const verifier = await openVerifier(config, pino({ level: 'silent' }));
  try {
    return await verify(reference, verifier, { json }, io);
  } finally {
    await verifier.close();
  }
}

async function runPins(args: readonly string[], config: Config, json: boolean): Promise<ExitCode> {
  const desk = openPinsDesk(config, pino({ level: 'silent' }));
  try {
    return await pins(args, desk, { json }, io);
  } finally {
    await desk.close();
  }
}

interface CacheOptions {
  readonly json: boolean;
  readonly rate: string;
  readonly dryRun: boolean;
}

async function runCache(
  action: string,
  config: Config,
  { json, rate, dryRun }: CacheOptions,
): Promise<ExitCode> {
  const { cache } = config;
  switch (action) {
    case 'stats':
      return cacheStats(cache, { json }, io);
    case 'scrub': {
      const interrupted = new AbortController();
      process.once('SIGINT', () => {
        interrupted.abort();
      });
      return cacheScrub(cache, { rate: readRate(rate), signal: interrupted.signal }, io);
    }
    case 'gc': {
      const policyKeys = await readPolicyKeys(config, pino({ level: 'silent' }));
      const before = Date.now() - FORGET_AFTER;
      const options = { path: cache.path, policyKeys, before, isKept: readKeep(config), dryRun };
      const adopt = () => adoptBeforeTidying(config, pino({ level: 'silent' }));
      return cacheGc(options, io, adopt);
    }
    default:
      throw new UsageError(`expected "cache stats", "cache scrub" or "cache gc"`);
  }
}

/** Bytes a second; undefined for as fast as it goes. */
function readRate(text: string): number | undefined {
  if (text === '0') return undefined;
  try {
    return parseSize(text);
  } catch (error) {
    throw new UsageError(`--rate: ${error instanceof Error ? error.message : 'cannot be read'}`);
  }
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}

survive(process.stdout, (reason) => {
  io.err(reason);
});
survive(process.stderr, () => undefined);
try {
  const code = await run(process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
} catch (error) {
  if (error instanceof ConfigError) {
    io.err(error.message);
    process.exitCode = EXIT.usage;
  } else if (isUsage(error)) {
    io.err(`${error.message}\n\n${usageOf(process.argv[2])}`);
    process.exitCode = EXIT.usage;
  } else {
    // What cannot start says why in one line: a port in use, a cache that another process has.
    io.err(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  );
}
