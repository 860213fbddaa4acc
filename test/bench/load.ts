/** Load by wrk: how many requests and bytes a second one server answers. */
import { mustRun } from '../e2e/lab/process.ts';

export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Throughput {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** @throws when wrk saw an error or an answer other than 2xx: a fast refusal is no throughput. */
export async function load({ url, connections, seconds, headers = {} }: Load): Promise<Throughput> {
  const args = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const output = await mustRun('wrk', [
    ...['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', ...args, url],
  ]);
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`wrk ${url}: ${output}`);
  const requests = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  const [, amount, unit = ''] = /Transfer\/sec:\s+([\d.]+)([KMG]?B)/.exec(output) ?? [];
  const scale = UNITS[unit];
  if (requests === undefined || amount === undefined || scale === undefined) {
    throw new Error(`wrk said something unforeseen: ${output}`);
  }
  return { requestsPerSecond: Number(requests), bytesPerSecond: Number(amount) * scale };
}

/** The middle one of an odd number of measurements. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
