/** Byte ranges of a blob: RFC 9110 §14. */

export interface ByteRange {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** Ranges in one header: as many as containers/image asks for at once when it pulls zstd:chunked layers. */
export const MAX_RANGES = 1024;

const UNIT = /^bytes=/i;
const RANGE = /^([0-9]{0,15})-([0-9]{0,15})$/;

/**
 * Reads a Range header.
 * @returns the satisfiable ranges in the order asked, at least one; `unsatisfiable` for 416; undefined where the whole
 * blob is the answer: no header, another unit, no grammar at all, more than {@link MAX_RANGES}, or ranges that overlap
 * (CVE-2011-3192). Ranges that do not overlap never cover more than the blob.
 */
export function parseByteRanges(
  header: string | undefined,
  size: number,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  if (header === undefined || !UNIT.test(header)) return undefined;
  const specs = header.slice('bytes='.length).split(',', MAX_RANGES + 1);
  if (specs.length > MAX_RANGES) return undefined;
  const ranges: ByteRange[] = [];
  let asked = 0;
  for (const spec of specs) {
    const text = spec.trim();
    // Empty elements of a list are ignored: RFC 9110 §5.6.1.2.
    if (text === '') continue;
    asked++;
    const range = parseByteRange(text, size);
    if (range === undefined) return undefined;
    if (range !== 'unsatisfiable') ranges.push(range);
  }
  if (asked === 0) return undefined;
  if (ranges.length === 0) return 'unsatisfiable';
  return overlap(ranges) ? undefined : ranges;
}

/** One range of the list; undefined when it is none. */
function parseByteRange(text: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = RANGE.exec(text) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  // A last byte before the first is no range by the RFC; registries' conformance tests expect 416 for it.
  return start < size && start < end ? { start, end } : 'unsatisfiable';
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  let reached = 0;
  for (const { start, end } of sorted) {
    if (start < reached) return true;
    reached = end;
  }
  return false;
}
