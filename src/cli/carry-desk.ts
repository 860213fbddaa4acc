/** What the commands that carry images work with. */
import type { ExportFile, Seal } from '../carry/export-plan.ts';
import type { ProxyClient } from '../carry/proxy-client.ts';
import type { Write } from '../layout/write-layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { ReferenceDefaults, Repository } from '../oci/reference.ts';

/** The configuration as far as it is needed to read a command, and the proxy of it. */
export interface CarryDesk {
  /** How references are read. */
  readonly defaults: ReferenceDefaults;
  readonly isRegistry: (name: string) => boolean;
  /** Finds the proxy that decides and keeps, or starts one. Called once, when it is known what for. */
  connect(): Promise<CarryProxy>;
  close(): Promise<void>;
}

export interface CarryProxy {
  readonly client: ProxyClient;
  /** Whether the proxy ran already, and goes on. */
  readonly isRunning: boolean;
}

/** Where progress is shown. */
export interface Terminal {
  /** Whether somebody looks at it and lines can be replaced. */
  readonly isTty: boolean;
  /** Characters of a line. */
  columns(): number;
  /** Lines that may be replaced. */
  rows(): number;
  write(text: string): void;
}

/** What an export needs besides. */
export interface ExportDesk extends CarryDesk {
  /** Name of the rule that governs a repository. */
  readonly ruleOf: (repository: Repository) => string;
  /** What is needed to verify what those rules govern. */
  readonly collectFiles: (rules: ReadonlySet<string>) => Promise<readonly ExportFile[]>;
  /** Opens a key, which may ask a person, and gives what signs with it. @throws {SigningError} */
  readonly openSeal: (key: string) => Promise<(record: Descriptor) => Promise<Seal>>;
  /** Writes a file as a whole or not at all; `-` is the standard output. */
  readonly writeFile: (file: string, work: (write: Write) => Promise<void>) => Promise<void>;
  /** Why a file could not be written there; asked before there is anything to write. */
  readonly findObstacle: (file: string) => Promise<string | undefined>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}
