/** `countersign pins …`: what tags mean here, and the operator's word about it, also while a proxy runs. */
import { plainText } from '../admission/plain-text.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { KnownTag, TagKey, TagOrder } from '../store/tag-records.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';
import { parseLockFile, type LockedTag } from './lock-file.ts';
import { diffLock, exportLock, importLock } from './pin-lock.ts';
import { describePin, pinJson, pinTree } from './pin-text.ts';
import { isOfImage, type PinRecords, type PinsDesk } from './pins-desk.ts';
import { drawTree } from './tree.ts';

export interface PinsOptions {
  readonly json: boolean;
}

/** A command that makes no sense: exit code 2. */
class Mistake extends Error {
  override readonly name = 'Mistake';
}

const MAX_LINE = 2000;

/**
 * @param args what follows `pins`.
 * @returns 0 when done, 1 where there is nothing to do it with, or `diff` found a difference, 2 for what makes no sense,
 * 3 where upstream could not be asked.
 */
export async function pins(
  args: readonly string[],
  desk: PinsDesk,
  { json }: PinsOptions,
  io: CommandIo,
): Promise<ExitCode> {
  const [action, first = '', second] = args;
  const expect = (least: number, most = least): void => {
    const given = args.length - 1;
    if (given >= least && given <= most) return;
    throw new Mistake(`expected ${most} arguments after "pins ${action ?? ''}", got ${given}`);
  };
  try {
    switch (action) {
      case 'list':
        expect(0);
        return await list(desk, json, io);
      case 'show':
        expect(1);
        return await show(tagOf(desk, first), desk, json, io);
      case 'freeze':
        expect(1);
        return await freeze(tagOf(desk, first), desk, io);
      case 'unfreeze':
        expect(1);
        return await unfreeze(tagOf(desk, first), desk, io);
      case 'move':
        expect(2);
        return await move(tagOf(desk, first), digestOf(second ?? ''), desk, io);
      case 'allow-rollback':
        expect(1, 2);
        return await allowRollback(
          tagOf(desk, first),
          second === undefined ? undefined : digestOf(second),
          desk,
          io,
        );
      case 'export':
        expect(1);
        await exportLock(first, desk);
        return EXIT.ok;
      case 'import':
        expect(1);
        return await importLock(await readLock(first, desk), desk, io);
      case 'diff':
        expect(1);
        return await diffLock(await readLock(first, desk), desk, io);
      default:
        throw new Mistake(
          'expected pins list, show, freeze, unfreeze, move, allow-rollback, export, import or diff',
        );
    }
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    io.err(plainText(error.message, MAX_LINE));
    return EXIT.usage;
  }
}

async function list(desk: PinsDesk, json: boolean, io: CommandIo): Promise<ExitCode> {
  const known = (await (await desk.records('read')).listTags()).filter(isOfImage);
  if (json)
    io.out(
      JSON.stringify(
        known.map((tag) => pinJson(tag)),
        undefined,
        2,
      ),
    );
  else for (const tag of known) io.out(plainText(describePin(tag), MAX_LINE));
  return EXIT.ok;
}

async function show(
  { repository, tag }: TagKey,
  desk: PinsDesk,
  json: boolean,
  io: CommandIo,
): Promise<ExitCode> {
  const records = await desk.records('read');
  const pin = await records.findPin(repository, tag);
  const order = await records.findOrder(repository, tag);
  const history = await records.findHistory(repository, tag);
  if (pin === undefined && order === undefined && history.length === 0) {
    io.err(`${formatReference({ repository, tag })} has no pin: nobody pulled it through here`);
    return EXIT.denied;
  }
  const known: KnownTag = {
    ...{ repository, tag },
    ...(pin === undefined ? {} : { pin }),
    ...(order === undefined ? {} : { order }),
  };
  if (json) io.out(JSON.stringify(pinJson(known, history), undefined, 2));
  else for (const line of drawTree(pinTree(known, history))) io.out(plainText(line, MAX_LINE));
  return EXIT.ok;
}

async function freeze(key: TagKey, desk: PinsDesk, io: CommandIo): Promise<ExitCode> {
  const records = await desk.records('write');
  const { repository, tag } = key;
  const order = await records.findOrder(repository, tag);
  const digest = order?.digest ?? (await records.findPin(repository, tag))?.digest;
  await give(records, key, { frozen: true, ...(digest === undefined ? {} : { digest }) });
  const where = digest ?? 'the first digest that is admitted, since it has no pin yet';
  io.out(`${formatReference(key)} is frozen at ${where}`);
  return EXIT.ok;
}

async function unfreeze(key: TagKey, desk: PinsDesk, io: CommandIo): Promise<ExitCode> {
  const { repository, tag } = key;
  const name = formatReference(key);
  const records = await desk.records('write');
  const order = await records.findOrder(repository, tag);
  const rule = desk.frozenBy(repository);
  if (order?.frozen !== true) {
    io.err(
      rule === undefined
        ? `${name} is not frozen`
        : `${name} is frozen by rule ${JSON.stringify(rule)}, not by a command: pins move moves it`,
    );
    return EXIT.denied;
  }
  await give(records, key, { frozen: false, ask: true });
  io.out(`${name} follows its upstream again, as its rule says`);
  if (rule !== undefined) io.err(`rule ${JSON.stringify(rule)} freezes it still`);
  return EXIT.ok;
}

async function move(key: TagKey, digest: Digest, desk: PinsDesk, io: CommandIo): Promise<ExitCode> {
  const records = await desk.records('write');
  await give(records, key, { frozen: true, digest });
  io.out(`${formatReference(key)} moves to ${digest} and is frozen there`);
  io.out('it is verified at the next pull, and refused if it does not pass');
  return EXIT.ok;
}

async function allowRollback(
  key: TagKey,
  digest: Digest | undefined,
  desk: PinsDesk,
  io: CommandIo,
): Promise<ExitCode> {
  const { repository, tag } = key;
  const records = await desk.records('write');
  const name = formatReference(key);
  const order = await records.findOrder(repository, tag);
  if (order?.frozen === true || desk.frozenBy(repository) !== undefined) {
    io.err(`${name} is frozen: pins move moves it`);
    return EXIT.denied;
  }
  const withheld = (await records.findPin(repository, tag))?.withheld;
  const held = withheld?.why === 'rollback' ? withheld.digest : undefined;
  const rollback = digest ?? held ?? 'any';
  await give(records, key, { frozen: false, rollback, ask: true });
  const where = rollback === 'any' ? 'to whatever upstream says next' : `to ${rollback}`;
  io.out(`${name} may go back once, ${where}`);
  return EXIT.ok;
}

async function give(records: PinRecords, key: TagKey, order: TagOrder): Promise<void> {
  await records.giveOrders([{ ...key, order }]);
}

async function readLock(file: string, desk: PinsDesk): Promise<readonly LockedTag[]> {
  try {
    return parseLockFile(await desk.readFile(file), (reference) => tagOf(desk, reference));
  } catch (error) {
    // An exit code of 1 would say that something differs.
    throw new Mistake(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function tagOf(desk: PinsDesk, text: string): TagKey {
  try {
    const { repository, tag } = parseReference(text, {
      registry: desk.defaultRegistry,
      isRegistry: (name) => desk.isRegistry(name),
    });
    if (tag === undefined) throw new Mistake(`expected a tag, got ${JSON.stringify(text)}`);
    if (!desk.isRegistry(repository.registry)) {
      throw new Mistake(`no upstream named ${repository.registry} is configured`);
    }
    return { repository, tag };
  } catch (error) {
    if (error instanceof SyntaxError) throw new Mistake(error.message);
    throw error;
  }
}

function digestOf(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Mistake(`expected a digest, got ${JSON.stringify(text)}`);
}
