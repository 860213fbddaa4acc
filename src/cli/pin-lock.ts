/** `countersign pins export | import | diff`: the lock file against what tags mean here, and upstream. */
import { plainText } from '../admission/plain-text.ts';
import { formatReference } from '../oci/reference.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';
import { formatLockFile, type LockedTag } from './lock-file.ts';
import { isOfImage, type PinsDesk } from './pins-desk.ts';

const MAX_LINE = 2000;
/** Tags that are asked about at a time. */
const PARALLEL = 4;

/** Writes what every tag means. */
export async function exportLock(file: string, desk: PinsDesk): Promise<void> {
  const locked = (await (await desk.records('read')).listTags())
    .filter(isOfImage)
    .flatMap(({ repository, tag, pin, order }) => {
      const digest = order?.digest ?? pin?.digest;
      return digest === undefined ? [] : [{ repository, tag, digest }];
    });
  await desk.writeFile(file, formatLockFile(locked));
}

/** Freezes every tag of the file at its digest; whether it is served is decided at its next pull. */
export async function importLock(
  locked: readonly LockedTag[],
  desk: PinsDesk,
  io: CommandIo,
): Promise<ExitCode> {
  const records = await desk.records('write');
  let moving = 0;
  for (const { repository, tag, digest } of locked) {
    const pin = await records.findPin(repository, tag);
    if (pin !== undefined && pin.digest !== digest) moving++;
  }
  await records.giveOrders(
    locked.map(({ repository, tag, digest }) => ({
      ...{ repository, tag },
      order: { frozen: true, digest },
    })),
  );
  io.out(
    `${tags(locked.length)} frozen as the file says, ${moving} of them somewhere else than before`,
  );
  io.out('each is verified at its next pull, and refused if it does not pass');
  return EXIT.ok;
}

/** Compares with what upstream says today. */
export async function diffLock(
  locked: readonly LockedTag[],
  desk: PinsDesk,
  io: CommandIo,
): Promise<ExitCode> {
  let different = 0;
  let unknown = 0;
  for (let start = 0; start < locked.length; start += PARALLEL) {
    const some = locked.slice(start, start + PARALLEL);
    const answers = await Promise.allSettled(
      some.map(({ repository, tag }) => desk.resolve(repository, tag)),
    );
    for (const [index, tag] of some.entries()) {
      const answer = answers[index];
      const name = formatReference({ repository: tag.repository, tag: tag.tag });
      if (answer?.status !== 'fulfilled') {
        unknown++;
        const reason: unknown = answer?.reason;
        const words = reason instanceof Error ? reason.message : String(reason);
        io.err(plainText(`${name}: ${words}`, MAX_LINE));
      } else if (answer.value !== tag.digest) {
        different++;
        io.out(`- ${name} ${tag.digest}`);
        io.out(`+ ${name} ${answer.value ?? 'is gone'}`);
      }
    }
  }
  if (different > 0) return EXIT.denied;
  return unknown > 0 ? EXIT.undetermined : EXIT.ok;
}

function tags(count: number): string {
  return count === 1 ? '1 tag' : `${count} tags`;
}
