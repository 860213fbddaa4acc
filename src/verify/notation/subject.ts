/** A certificate's subject, attribute by attribute (RFC 5280 §4.1.2.4), for comparison with what a rule names. */
import { attributeType } from '../../policy/distinguished-name.ts';
import type { NotationSubject, SubjectAttribute } from '../../policy/notation-facts.ts';
import { membersOf, readDer, requireTag, sequence, TAG, type Der } from '../../trust/der.ts';
import { parseOid } from '../../trust/der-values.ts';

/** Tags of strings that are ASCII or nearly so: NumericString, PrintableString, TeletexString, IA5String. */
const LATIN: ReadonlySet<number> = new Set([0x12, 0x13, 0x14, 0x16]);
const BMP_STRING = 0x1e;

/** @throws {SyntaxError} for what is no Name, and for text that cannot be decoded. */
export function readSubject(rawSubject: Buffer): NotationSubject {
  const what = 'the subject';
  const name = requireTag(readDer(rawSubject, what), TAG.sequence, 'the subject to be a sequence');
  return membersOf(name, what).map((set) => {
    const attributes = membersOf(requireTag(set, TAG.set, 'a set in the subject'), what);
    if (attributes.length === 0) throw new SyntaxError('expected no empty set in the subject');
    return attributes.map(readAttribute);
  });
}

function readAttribute(attribute: Der): SubjectAttribute {
  const fields = sequence(attribute, 'an attribute of the subject');
  const oid = parseOid(fields.takeAny(), 'the type of an attribute');
  const value = fields.takeAny();
  fields.end();
  if (value === undefined)
    throw new SyntaxError('expected an attribute of the subject to be whole');
  return { type: attributeType(oid), value: textOf(value) };
}

function textOf({ tag, content, raw }: Der): string {
  if (tag === TAG.utf8String) return decode('utf-8', content);
  if (tag === BMP_STRING) return decode('utf-16be', content);
  if (LATIN.has(tag)) return content.toString('latin1');
  // RFC 4514 §2.4: what is no text is shown as its bytes, which no rule can name.
  return `#${raw.toString('hex')}`;
}

function decode(encoding: 'utf-8' | 'utf-16be', content: Buffer): string {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    throw new SyntaxError('expected text in the subject', { cause: error });
  }
}
