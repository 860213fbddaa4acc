/** Load in processes of its own: wrk for GET, ab for HEAD, whose answers wrk does not understand. */
import { fileURLToPath } from 'node:url';
import { mustRun } from '../e2e/lab/process.ts';
import { ROUNDS, SECONDS } from './options.ts';

export interface Load {
  /** Origin. */
  readonly url: string;
  /** Asked for one after the other: `path`, or `path range`. */
  readonly paths: readonly string[];
  readonly connections: number;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** The answers are refusals, and meant to be. */
  readonly refused?: boolean;
  readonly seconds?: number;
}

export interface Throughput {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };
const cycle = fileURLToPath(new URL('cycle.lua', import.meta.url));

/** @throws when there was an error, or an answer other than was meant: a fast refusal is no throughput. */
export function load(wanted: Load): Promise<Throughput> {
  return wanted.method === 'HEAD' ? loadHead(wanted) : loadGet(wanted);
}

async function loadGet(wanted: Load): Promise<Throughput> {
  const { url, paths, connections, headers = {}, refused = false, seconds = SECONDS } = wanted;
  const output = await mustRun('wrk', [
    ...['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '--timeout', '60s'],
    ...['-s', cycle, ...namedHeaders(headers), url, '--', ...paths],
  ]);
  if (output.includes('Socket errors') || output.includes('Non-2xx') !== refused) {
    throw new Error(`wrk ${url}: ${output}`);
  }
  const requests = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  const [, amount, unit = ''] = /Transfer\/sec:\s+([\d.]+)([KMG]?B)/.exec(output) ?? [];
  const scale = UNITS[unit];
  if (requests === undefined || amount === undefined || scale === undefined) {
    throw new Error(`wrk said something unforeseen: ${output}`);
  }
  return { requestsPerSecond: Number(requests), bytesPerSecond: Number(amount) * scale };
}

async function loadHead(wanted: Load): Promise<Throughput> {
  const { url, paths, connections, headers = {}, seconds = SECONDS } = wanted;
  const output = await mustRun('ab', [
    ...['-q', '-k', '-i', '-c', String(connections), '-t', String(Math.ceil(seconds))],
    ...['-n', '2000000', ...namedHeaders(headers), `${url}${paths[0] ?? '/'}`],
  ]);
  const requests = /Requests per second:\s+([\d.]+)/.exec(output)?.[1];
  if (requests === undefined || output.includes('Non-2xx')) throw new Error(`ab ${url}: ${output}`);
  return { requestsPerSecond: Number(requests), bytesPerSecond: 0 };
}

function namedHeaders(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
}

/** Medians of several rounds, in each of which everybody has a turn: what disturbs one disturbs all. */
export async function inTurn(
  sides: Readonly<Record<string, () => Promise<number>>>,
  rounds = ROUNDS,
): Promise<Readonly<Record<string, number>>> {
  const seen = new Map(Object.keys(sides).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, measure] of Object.entries(sides)) seen.get(name)?.push(await measure());
  }
  return Object.fromEntries([...seen].map(([name, values]) => [name, median(values)]));
}

/** The middle one of an odd number of measurements. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
