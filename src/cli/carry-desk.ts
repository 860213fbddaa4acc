/** What the commands that carry images work with. */
import type { ProxyClient } from '../carry/proxy-client.ts';
import type { ReferenceDefaults } from '../oci/reference.ts';

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
