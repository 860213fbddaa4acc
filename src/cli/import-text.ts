/** What became of an import, and what a bundle holds, as text and as JSON. */
import { plainText } from '../admission/plain-text.ts';
import { outcomeOf, type ImportLine } from '../carry/import-layout.ts';
import { formatReference } from '../oci/reference.ts';
import { sizeText } from './cache.ts';
import type { CarriedFile, ImportedReport, OpenedLayout } from './import-desk.ts';
import { EXIT, type ExitCode } from './io.ts';

/** Characters of one line. */
const MAX_LINE = 2000;
/** Characters of a digest that people tell others by. */
const SHOWN_DIGEST = 19;

/** A table of images, then what was left out, then what is to be known. */
export function reportLines(report: ImportedReport, dryRun: boolean): readonly string[] {
  const { images, attachments, notes } = report;
  const rows = [
    ['reference', 'digest', 'outcome', 'size', 'new', 'why'],
    ...[...images, ...attachments].map((line) => rowOf(line)),
  ];
  return [
    ...alignedRows(rows),
    '',
    ...notes.map((note) => `note: ${note}`),
    totalOf(report, dryRun),
  ].map((line) => plainText(line, MAX_LINE));
}

function rowOf({ reference, digest, outcome, bytes, newBytes, why }: ImportLine): string[] {
  const isIn = outcome === 'admitted';
  return [
    reference,
    digest.slice(0, SHOWN_DIGEST),
    outcome,
    isIn ? sizeText(bytes) : '',
    isIn ? (newBytes === 0 ? 'none' : sizeText(newBytes)) : '',
    why,
  ];
}

function totalOf({ images, attachments, noRoom }: ImportedReport, dryRun: boolean): string {
  const admitted = images.filter(({ outcome }) => outcome === 'admitted');
  const bytes = admitted.reduce((sum, { newBytes }) => sum + newBytes, 0);
  const others = images.length - admitted.length;
  const verb = dryRun ? 'would be imported' : 'imported';
  return [
    `${countText(admitted.length, 'image')} ${verb} (${sizeText(bytes)} new)`,
    `${others} not`,
    ...(attachments.length > 0 ? [`${countText(attachments.length, 'attachment')} not`] : []),
    ...(noRoom === undefined ? [] : ['nothing was written']),
  ].join(', ');
}

export function reportJson(report: ImportedReport, dryRun: boolean): string {
  return json({ dryRun, outcome: outcomeOf(report), ...report });
}

export function reportExit(report: ImportedReport): ExitCode {
  const outcome = outcomeOf(report);
  if (outcome === 'admitted') return EXIT.ok;
  return outcome === 'refused' ? EXIT.denied : EXIT.undetermined;
}

/** What a bundle holds, for somebody who has to decide whom to trust. */
export function showLines(
  { bundle, contents, brokenSeal }: OpenedLayout,
  files: readonly CarriedFile[],
): readonly string[] {
  const { images, attachments, notes } = contents;
  const head =
    bundle === undefined
      ? 'an OCI image layout that Countersign did not write'
      : `an export of ${bundle.record.createdAt}, ${sealText(bundle.seals.length, brokenSeal)}`;
  return [
    head,
    `${countText(images.length, 'image')}, ${countText(attachments.length, 'attachment')}`,
    ...images.map(({ reference, descriptor, platforms }) => {
      const only = platforms === undefined ? '' : ` (${platforms.join(', ')})`;
      return `  ${formatReference(reference)} ${descriptor.digest}${only}`;
    }),
    ...(files.length === 0 ? [] : ['files, none of which is trusted for being in here:']),
    ...files.flatMap(fileLines),
    ...notes.map((note) => `note: ${note}`),
  ].map((line) => plainText(line, MAX_LINE));
}

function sealText(seals: number, broken: string | undefined): string {
  if (broken !== undefined) return `not sealed as it must be: ${broken}`;
  return seals === 0 ? 'not sealed' : `sealed by ${countText(seals, 'signature')}`;
}

function fileLines({ path, size, fingerprints }: CarriedFile): readonly string[] {
  return [
    `  ${path} (${sizeText(size)})`,
    ...fingerprints.map(({ fingerprint, knownAs }) => {
      const known =
        knownAs.length === 0 ? 'not trusted here' : `trusted here as ${knownAs.join(', ')}`;
      return `    ${fingerprint} ${known}`;
    }),
  ];
}

export function showJson(
  { bundle, contents, brokenSeal }: OpenedLayout,
  files: readonly CarriedFile[],
): string {
  const { images, attachments, notes } = contents;
  return json({
    createdAt: bundle?.record.createdAt,
    seals: bundle?.seals.length ?? 0,
    brokenSeal,
    images: images.map(({ reference, descriptor, platforms }) => ({
      reference: formatReference(reference),
      digest: descriptor.digest,
      platforms,
    })),
    attachments: attachments.length,
    files,
    notes,
  });
}

function json(value: unknown): string {
  const plain = (_name: string, member: unknown): unknown =>
    typeof member === 'string' ? plainText(member, MAX_LINE) : member;
  return JSON.stringify(value, plain, 2);
}

/** Columns as wide as their widest cell; the last one as it is. */
function alignedRows(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_cell, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths?.[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
