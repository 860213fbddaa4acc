/** One run of a task for all who ask for it at the same time. */

export interface SingleFlight<T> {
  /** Joins the run of this key, or starts it. A failure reaches everyone who joined, and is forgotten. */
  run(key: string, task: () => Promise<T>): Promise<T>;
}

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Promise<T>>();
  return {
    run(key, task) {
      const flying = flights.get(key);
      if (flying !== undefined) return flying;
      const flight = task().finally(() => flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
  };
}
