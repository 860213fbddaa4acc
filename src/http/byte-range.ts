/** One byte range of a blob: RFC 9110 §14. */

export interface ByteRange {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

const RANGE = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/;

/**
 * Reads a Range header.
 * @returns the range; `unsatisfiable` for 416; undefined where the whole blob is the answer: no header, another unit,
 * several ranges (a server may ignore those), or no grammar at all.
 */
export function parseByteRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = RANGE.exec(header?.replaceAll(' ', '') ?? '') ?? [];
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
