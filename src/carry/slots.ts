/** So many tasks at a time, the others in turn. */

export type Slots = <T>(task: () => Promise<T>) => Promise<T>;

export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

/** Runs the tasks of a list, so many at a time; the first that throws ends it when those under way are done. */
export async function forEachOf<T>(
  items: Iterable<T>,
  parallel: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const state = { over: false };
  const lane = async (): Promise<void> => {
    try {
      for (let next = rest.next(); !state.over && next.done !== true; next = rest.next()) {
        await task(next.value);
      }
    } finally {
      // Reached early only where a task threw.
      state.over = true;
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: parallel }, lane));
  const broken = lanes.find((one) => one.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}
