/** A process of clients that ask one thing after the other until the time is over; each answer is waited for, however long. */
import { Agent, request } from 'node:http';

/** The one argument, as JSON. */
export interface SteadyTask {
  /** Asked for in turn. */
  readonly urls: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The one line it prints, as JSON. */
export interface SteadyResult {
  /** Milliseconds from the question to the end of the answer. */
  readonly median: number;
  readonly percentile99: number;
  readonly longest: number;
  /** Answers other than 200, and none at all. */
  readonly failed: number;
}

const task = JSON.parse(process.argv[2] ?? '') as SteadyTask;
const agent = new Agent({ keepAlive: true, maxSockets: task.connections });
const waits: number[] = [];
let failed = 0;

function ask(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(url, { agent, headers: { ...task.headers } }, (response) => {
      response
        .resume()
        .once('end', () => {
          resolve(response.statusCode === 200);
        })
        .once('error', () => {
          resolve(false);
        });
    });
    asked
      .once('error', () => {
        resolve(false);
      })
      .end();
  });
}

async function client(place: number, end: number): Promise<void> {
  for (let turn = place; performance.now() < end; turn += 1) {
    const begun = performance.now();
    if (!(await ask(task.urls[turn % task.urls.length] ?? ''))) failed += 1;
    waits.push(performance.now() - begun);
  }
}

const end = performance.now() + task.seconds * 1000;
await Promise.all(Array.from({ length: task.connections }, (_, place) => client(place, end)));
agent.destroy();
const sorted = waits.toSorted((a, b) => a - b);
const at = (part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
const result: SteadyResult = {
  median: at(0.5),
  percentile99: at(0.99),
  longest: at(1),
  failed,
};
console.log(JSON.stringify(result));
