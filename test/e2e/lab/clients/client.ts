/** The one small face that all pulling clients of the lab show to the tests. */
import type { Tool } from '../tools.ts';

/** What to pull, in the upstream's own words. */
export interface Target {
  readonly repository: string;
  /** A tag, or `sha256:…`. */
  readonly reference: string;
}

export interface Pulled {
  readonly ok: boolean;
  /** Everything the client told the person. */
  readonly output: string;
  /** The digest the client believes to have, when it succeeded. */
  readonly digest?: string;
}

export interface Client {
  pull(target: Target): Promise<Pulled>;
  /** Runs what was pulled and gives what it printed; for clients that run containers. */
  run?(target: Target): Promise<string>;
  /** Forgets every image, as a new machine would. */
  fresh(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClientSetting {
  /** `127.0.0.1:PORT` of the proxy. */
  readonly proxy: string;
  /** A folder of its own. */
  readonly folder: string;
}

/**
 * What reaches the person of a refusal: the sentence from the body, the reason phrase of the status
 * line, or nothing but what the daemon logs.
 */
export type Voice = 'message' | 'reason phrase' | 'daemon log';

export interface ClientKind {
  readonly name: string;
  readonly needs: readonly Tool[];
  /** Names that begin with the proxy, or a configuration that leads other names to it. */
  readonly way: 'direct' | 'redirected';
  /** Goes through every case; the others, which differ in little, through a third of them each. */
  readonly thorough: boolean;
  readonly voice: Voice;
  /** What it prints when a layer breaks off. */
  readonly brokenBlob: RegExp;
  start(setting: ClientSetting): Promise<Client>;
}

/** `name:tag` or `name@digest`. */
export function join(name: string, reference: string): string {
  return `${name}${reference.startsWith('sha256:') ? '@' : ':'}${reference}`;
}
