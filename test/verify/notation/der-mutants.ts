/** DER that is well-formed and means something else: elements of a sample moved, doubled, retagged, with right lengths. */
import fc from 'fast-check';
import { membersOf, readDer, TAG, writeDer, type Der } from '../../../src/trust/der.ts';

interface Node {
  tag: number;
  /** Of an element that holds no others. */
  content: Buffer;
  children: Node[] | undefined;
}

interface Edit {
  readonly kind: 'remove' | 'double' | 'swap' | 'retag' | 'fill' | 'wrap' | 'graft';
  readonly at: number;
  readonly from: number;
  readonly tag: number;
  readonly bytes: Uint8Array;
}

const CONSTRUCTED = 0x20;

/** An OCTET STRING may hold an element, as extensions and responses do. */
function read(element: Der): Node {
  const { tag, content } = element;
  const leaf = { tag, content, children: undefined };
  if ((tag & CONSTRUCTED) === 0 && tag !== TAG.octetString) return leaf;
  try {
    const members = membersOf(element, 'it');
    return { ...leaf, children: members.map(read) };
  } catch {
    return leaf;
  }
}

function write({ tag, content, children }: Node): Buffer {
  return writeDer(tag, children === undefined ? content : Buffer.concat(children.map(write)));
}

/** Everything below a node, with where it stands. */
function below(parent: Node): readonly (readonly [siblings: Node[], index: number])[] {
  const siblings = parent.children ?? [];
  return siblings.flatMap((child, index) => [[siblings, index] as const, ...below(child)]);
}

const copy = ({ tag, content, children }: Node): Node => ({
  tag,
  content,
  children: children?.map(copy),
});

function apply(root: Node, { kind, at, from, tag, bytes }: Edit): void {
  const places = below(root);
  const [siblings, index] = places[at % places.length] ?? [[], 0];
  const [others, other] = places[from % places.length] ?? [[], 0];
  const [node, source] = [siblings[index], others[other]];
  if (node === undefined || source === undefined) return;
  switch (kind) {
    case 'remove':
      siblings.splice(index, 1);
      break;
    case 'double':
      siblings.splice(index, 0, copy(node));
      break;
    case 'swap':
      siblings.splice(index, 2, ...siblings.slice(index, index + 2).reverse());
      break;
    case 'retag':
      node.tag = tag;
      break;
    case 'fill':
      siblings[index] = { tag: node.tag, content: Buffer.from(bytes), children: undefined };
      break;
    case 'wrap':
      siblings[index] = { tag: TAG.sequence, content: node.content, children: [node] };
      break;
    case 'graft':
      siblings[index] = copy(source);
      break;
  }
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('remove', 'double', 'swap', 'retag', 'fill', 'wrap', 'graft'),
  at: fc.nat(10_000),
  from: fc.nat(10_000),
  tag: fc.oneof(
    fc.constantFrom(0x02, 0x04, 0x05, 0x0a, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0xa3),
    fc.nat(255).filter((tag) => (tag & 0x1f) !== 0x1f),
  ),
  bytes: fc.uint8Array({ maxLength: 12 }),
});

/** The sample after one to three edits. */
export function mutantsOf(sample: Buffer): fc.Arbitrary<Buffer> {
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => {
    const root = read(readDer(sample, 'the sample'));
    for (const one of edits) apply(root, one);
    return write(root);
  });
}
