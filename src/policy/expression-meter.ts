/** Puts a meter into a CEL expression: the same meaning, but every loop and every comparison pays for itself. */
import { serialize, type ASTNode } from '@marcbachmann/cel-js';
import { parseTextPattern, type TextPattern } from './text-pattern.ts';

/** Functions that {@link metered} calls; no rule may call them itself. */
export const METER = {
  step: 'meterStep',
  stop: 'meterStop',
  pay: 'meterPay',
  matches: 'meterMatches',
};

/** A metered expression. */
export interface MeteredExpression {
  /** Every sub-expression stands in brackets, so precedence is not at stake. */
  readonly text: string;
  /** The literal patterns of its `matches`, by their number. */
  readonly patterns: readonly TextPattern[];
  readonly usesNow: boolean;
}

/**
 * What a turn yields instead of its body when nothing is left to pay with. `all` and `exists` collect the errors of their
 * turns and go on, so an error would not stop them; the value that decides them does.
 */
const STOPS: ReadonlyMap<string, string> = new Map([
  ['all', 'false'],
  ['exists', 'true'],
  ['exists_one', `${METER.stop}()`],
  ['map', `${METER.stop}()`],
  ['filter', `${METER.stop}()`],
]);
/** Charged for each turn of a loop besides its nodes: a turn that fails costs an Error. */
const TURN = 32;

/**
 * Rewrites a checked expression.
 * @throws {SyntaxError} for what cannot be bounded: patterns that are no literals, time zones.
 */
export function metered(root: ASTNode): MeteredExpression {
  const patterns: TextPattern[] = [];
  let usesNow = false;

  /** An operand whose size the operation takes time for. */
  function paid(node: ASTNode): string {
    return node.op === 'value' ? write(node) : `${METER.pay}(${write(node)})`;
  }

  function write(node: ASTNode): string {
    switch (node.op) {
      case 'value':
        return serialize(node);
      case 'id':
        usesNow ||= node.args === 'now';
        return node.args;
      case '.':
        return `(${write(node.args[0])}).${node.args[1]}`;
      case '[]':
        return `(${write(node.args[0])})[${write(node.args[1])}]`;
      case 'list':
        return `[${node.args.map(write).join(', ')}]`;
      case 'map':
        return `{${node.args.map(([key, value]) => `${write(key)}: ${write(value)}`).join(', ')}}`;
      case '?:': {
        const [condition, yes, no] = node.args;
        return `(${write(condition)} ? ${write(yes)} : ${write(no)})`;
      }
      case '&&':
      case '||':
        return `(${write(node.args[0])} ${node.op} ${write(node.args[1])})`;
      case '!_':
      case '-_':
        return `(${node.op.charAt(0)}(${write(node.args)}))`;
      case 'call':
        return writeCall(node.args[0], node.args[1]);
      case 'rcall':
        return writeMethod(...node.args);
      case '.?':
      case '[?]':
        throw new SyntaxError('optional values are not supported');
      default:
        return `(${paid(node.args[0])} ${node.op} ${paid(node.args[1])})`;
    }
  }

  function writeCall(name: string, args: readonly ASTNode[]): string {
    if (Object.values(METER).includes(name)) throw new SyntaxError(`unknown function ${name}`);
    // has() looks at the shape of its argument; size() takes no longer for deeper values.
    const write_ = name === 'has' || name === 'size' ? write : paid;
    return `${name}(${args.map(write_).join(', ')})`;
  }

  function writeMethod(name: string, receiver: ASTNode, args: readonly ASTNode[]): string {
    const stop = STOPS.get(name);
    if (stop !== undefined) {
      const [variable, ...bodies] = args.map((arg, index) =>
        index === 0
          ? write(arg)
          : `(${METER.step}(${TURN + countNodes(arg)}) ? ${write(arg)} : ${stop})`,
      );
      return `(${write(receiver)}).${name}(${[variable, ...bodies].join(', ')})`;
    }
    if (name === 'matches') return writeMatches(receiver, args);
    if (name === 'bind' && receiver.op === 'id' && receiver.args === 'cel') {
      return `cel.bind(${args.map(write).join(', ')})`;
    }
    if (name.startsWith('get') && args.length > 0) {
      throw new SyntaxError(`${name}() takes no time zone here: all times are UTC`);
    }
    const target = name === 'size' ? write(receiver) : paid(receiver);
    return `(${target}).${name}(${args.map(paid).join(', ')})`;
  }

  function writeMatches(receiver: ASTNode, args: readonly ASTNode[]): string {
    const [pattern] = args;
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
      throw new SyntaxError('expected matches() to be given a literal pattern');
    }
    patterns.push(parseTextPattern(pattern.args));
    return `${METER.matches}(${write(receiver)}, ${patterns.length - 1})`;
  }

  const text = write(root);
  return { text, patterns, usesNow };
}

/** Nodes that one turn of a loop evaluates, those of inner loops' bodies included once. */
function countNodes(node: ASTNode): number {
  let count = 0;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null && 'op' in value && 'args' in value) {
      count++;
      visit(value.args);
    }
  };
  visit(node);
  return count;
}
