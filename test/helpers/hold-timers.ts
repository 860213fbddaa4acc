/** Timers that a test runs by hand. */
import type { Test } from 'tap';

export interface HeldTimers {
  /** Runs all that wait now. */
  run(): void;
  readonly waiting: number;
}

/**
 * Holds back what is put off by exactly so many milliseconds, until the test ends. All other timers run as ever: the
 * libraries have some of their own, which outlive a test.
 */
export function holdTimers(t: Test, delay: number): HeldTimers {
  const tasks = new Map<object, () => void>();
  const { setTimeout, clearTimeout } = globalThis;
  t.intercept(globalThis, 'setTimeout', {
    value: (task: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      if (ms !== delay) return setTimeout(task, ms, ...args);
      const timer = { unref: () => timer };
      tasks.set(timer, task);
      return timer;
    },
  });
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer?: NodeJS.Timeout) => {
      if (timer === undefined || !tasks.delete(timer)) clearTimeout(timer);
    },
  });
  return {
    run() {
      const due = [...tasks.values()];
      tasks.clear();
      for (const task of due) task();
    },
    get waiting() {
      return tasks.size;
    },
  };
}
