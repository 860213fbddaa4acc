/** Words of strangers as they may stand in ours. */

// Control and format characters, the bidirectional ones among them; line and paragraph separators; half characters.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** One line that a terminal shows as it is, of at most `maxLength` characters. */
export function plainText(text: string, maxLength: number): string {
  const line = text.slice(0, 2 * maxLength).replaceAll(UNPRINTABLE, ' ');
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}
