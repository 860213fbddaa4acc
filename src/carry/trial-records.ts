/** Records for a decision on trial: what is known of tags is heeded, and nothing of what is decided is written down. */
import type { Records } from '../store/records.ts';

export interface TrialParts {
  /** Those of the cache. */
  readonly known: Records;
  /** What is decided on trial goes here, and is gone with it. */
  readonly own: Records;
  /** Whether the cache remembers digests that were seen, as it does when they are refused in earnest. */
  readonly remembers: boolean;
}

export function trialRecords({ known, own, remembers }: TrialParts): Records {
  return {
    local: known.local,
    findVerdict: (key) => own.findVerdict(key),
    findGrants: (key, of, limit) => own.findGrants(key, of, limit),
    findOpenChildren: (repository, key, limit) => own.findOpenChildren(repository, key, limit),
    listDue: (key, at, limit, after) => own.listDue(key, at, limit, after),
    postpone: (key, dueAt) => own.postpone(key, dueAt),
    withdraw: (key) => own.withdraw(key),
    record: (decision) => own.record(decision),
    findPin: async (repository, tag) =>
      (await own.findPin(repository, tag)) ?? known.findPin(repository, tag),
    async findHistory(repository, tag) {
      const decided = await own.findHistory(repository, tag);
      return decided.length > 0 ? decided : known.findHistory(repository, tag);
    },
    findOrder: (repository, tag) => known.findOrder(repository, tag),
    see: (key, digest, at) => (remembers ? known : own).see(key, digest, at),
    arrive: (arrival) => own.arrive(arrival),
    asked: (key) => own.asked(key),
    removePin: (key) => own.removePin(key),
    giveOrders: (orders) => own.giveOrders(orders),
    listTags: () => known.listTags(),
    listPinned: (...asked) => known.listPinned(...asked),
    version: () => own.version(),
    close: () => own.close(),
  };
}
