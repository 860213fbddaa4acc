/** Regular expressions of operators, run in linear time (RE2): no text of a stranger makes one slow. */
import { RE2JS } from 're2js';

/** Characters of a pattern. */
const MAX_PATTERN = 1024;
/** Instructions of the compiled program: one match takes at most text × program steps. */
const MAX_PROGRAM = 1000;

/** One compiled RE2 expression. */
export interface TextPattern {
  readonly text: string;
  /** Instructions: a match costs at most so many steps for each character of the text. */
  readonly size: number;
  /** Whether the whole text is of the pattern, as if it were written `^(?:…)$`. */
  matchesAll(text: string): boolean;
  /** Whether some part of the text is of the pattern. */
  matchesPart(text: string): boolean;
}

/**
 * Compiles an RE2 expression (https://github.com/google/re2/wiki/Syntax): no backreferences, no lookaround.
 * @throws {SyntaxError} when it is no such expression, is empty, or is larger than the bounds.
 */
export function parseTextPattern(text: string): TextPattern {
  if (text === '' || text.length > MAX_PATTERN) {
    throw new SyntaxError(
      `expected a pattern of 1 to ${MAX_PATTERN} characters, got ${text.length}`,
    );
  }
  const compiled = compile(text);
  const size = compiled.programSize();
  if (size > MAX_PROGRAM) {
    throw new SyntaxError(
      `expected a pattern of at most ${MAX_PROGRAM} instructions, ${JSON.stringify(text)} takes ${size}`,
    );
  }
  return {
    text,
    size,
    matchesAll: (subject) => compiled.matches(subject),
    matchesPart: (subject) => compiled.test(subject),
  };
}

function compile(text: string): RE2JS {
  try {
    return RE2JS.compile(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read';
    throw new SyntaxError(`expected an RE2 expression, got ${JSON.stringify(text)}: ${why}`, {
      cause: error,
    });
  }
}
