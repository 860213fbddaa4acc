/** A tree of lines, drawn with the usual box characters. */

export interface Branch {
  readonly text: string;
  readonly of?: readonly Branch[];
}

/** The lines of a tree; the root has no edge of its own. */
export function drawTree({ text, of = [] }: Branch): readonly string[] {
  return [
    text,
    ...of.flatMap((child, index) => {
      const last = index === of.length - 1;
      const [first = '', ...rest] = drawTree(child);
      return [
        `${last ? '└─' : '├─'} ${first}`,
        ...rest.map((line) => `${last ? '  ' : '│ '} ${line}`),
      ];
    }),
  ];
}
