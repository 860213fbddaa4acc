/** What `countersign import` works with. */
import type { ImportReport } from '../carry/import-layout.ts';
import type { Bundle } from '../layout/bundle.ts';
import type { Contents } from '../layout/contents.ts';
import type { Layout } from '../layout/layout.ts';
import type { Naming } from '../layout/listed-contents.ts';

/** A layout of which every byte was looked at. */
export interface OpenedLayout {
  readonly layout: Layout;
  /** Absent for a layout that Countersign did not write. */
  readonly bundle: Bundle | undefined;
  readonly contents: Contents;
  /** Why it is not sealed as the configuration demands; undefined where it is, or need not be. */
  readonly brokenSeal: string | undefined;
}

/** How far something is. */
export type OnProgress = (what: 'checked' | 'imported', done: number, total: number) => void;

export interface CarriedFile {
  /** As the bundle has it: `trust/NAME/…`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Keys and certificates in it; empty where it holds none that can be read. */
  readonly fingerprints: readonly CarriedKey[];
}

export interface CarriedKey {
  /** `sha256:…` */
  readonly fingerprint: string;
  /** Names of trust roots of this side that have it too. */
  readonly knownAs: readonly string[];
}

export interface ImportedReport extends ImportReport {
  /** For people. */
  readonly notes: readonly string[];
}

/** The cache of a configuration, its rules, and layouts. */
export interface ImportDesk {
  /** How references are read. */
  readonly defaultRegistry: string | undefined;
  isRegistry(name: string): boolean;
  /**
   * Opens a file, a folder or `-`, and looks at every byte of it. Once.
   * @throws {LayoutError} for whatever is not as it should be.
   */
  open(file: string, naming: Naming | undefined, onProgress: OnProgress): Promise<OpenedLayout>;
  /** @throws {StoreError} `in-use` while another import is under way. */
  import(
    opened: OpenedLayout,
    options: { readonly dryRun: boolean; readonly onProgress: OnProgress },
  ): Promise<ImportedReport>;
  /** What a bundle brings for its operator to look at. Nothing of it is trusted for being in there. */
  describeFiles(opened: OpenedLayout): Promise<readonly CarriedFile[]>;
  /** Writes them below a folder that is empty, or not there yet; their paths. @throws {LayoutError} */
  extract(opened: OpenedLayout, folder: string): Promise<readonly string[]>;
  close(): Promise<void>;
}
