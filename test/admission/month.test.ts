/**
 * A month in the life of a proxy, told day by day: what happens in the world, and what those see who pull.
 *
 * `app`  has what rules have by default, with `refresh: 1h`, `maxStale: 3d` and `reverify: 24h`;
 * `web`  holds where the others refuse, and keeps what is deleted;
 * `base` waits 72 hours before it follows;
 * `db`   is what a cluster pulls all the time, and is verified again every 7 days;
 * `tool` is signed by a vendor with Notation;
 * `scan` must have been scanned within 7 days.
 */
import t, { type Test } from 'tap';
import { openMonth } from '../helpers/month/world.ts';

const month = await openMonth(t);
const { push, release, retag, remove, sign, unsign, scan, signAsVendor, fail, later } = month;
const { pull, pullAll, why, order, asked, countAsked, moves, withdrawn, proxy, registry } = month;

const DAY = 86_400_000;

/** Ends what is the matter with upstream. */
let heal: () => void;

function day(number: number, story: string, tell: (t: Test) => Promise<void>): void {
  void t.test(`day ${number}: ${story}`, async (t) => {
    await month.goTo(number);
    await tell(t);
  });
}

day(1, 'everything is pulled for the first time', async (t) => {
  for (const name of ['app', 'web', 'base', 'db', 'scan']) release(`${name}:v1`, 'one');
  scan('scan@one');
  push('tool:v1', 'one');
  signAsVendor('tool@one');
  for (const name of ['app', 'web', 'db', 'tool', 'scan']) {
    t.equal(await pull(`${name}:v1`), 'one');
    t.equal(await pullAll(`${name}@one`), '200');
  }
  // Nobody knows base@one yet.
  t.equal(await pull('base:v1'), '403 DENIED');
  t.match(await why('base:v1'), /first seen here on 2026-06-01.* waits until 2026-06-04/);
  // A crowd costs upstream what one client costs.
  for (let client = 0; client < 100; client++) t.equal(await pull('app:v1'), 'one');
  t.strictSame(asked('app'), ['HEAD app:v1', 'GET app@one']);
  month.watch('db:v1', 'db@one');
});

day(2, 'app:v1 moves twice, and is followed within the hour', async (t) => {
  release('app:v1', 'two');
  t.equal(await pull('app:v1'), 'two');
  t.equal(await pullAll('app@one'), '200', 'what it was is still there');
  t.strictSame(moves(), ['base refused: cooldown', 'app followed: move']);
  asked('app');
  release('app:v1', 'three');
  t.equal(await pull('app:v1'), 'two');
  t.strictSame(asked('app'), [], 'nobody looks within refresh');
  await later(1);
  t.equal(await pull('app:v1'), 'three');
  t.strictSame(asked('app'), ['HEAD app:v1', 'GET app@three']);
});

day(3, 'a thief pushes over web:v1, and a pipeline forgets to sign app:v1', async (t) => {
  moves();
  push('web:v1', 'evil');
  push('app:v1', 'four');
  t.equal(await pull('web:v1'), 'one, held');
  t.match(await why('web:v1'), /which is not followed: .*no signature was found/);
  t.equal(await pull('app:v1'), '403 DENIED');
  t.match(await why('app:v1'), /unsigned: no signature was found/);
  t.equal(await pull('web@evil'), '403 DENIED');
  t.equal(await pullAll('app@three'), '200', 'who pulls by digest notices nothing');
  t.strictSame(moves(), ['web held: unverified', 'app refused: unverified']);
});

day(4, 'both are mended, and the cooldown of base@one is over', async (t) => {
  t.equal(await pull('web:v1'), 'one, held');
  retag('web:v1', 'one');
  sign('app@four');
  await later(1);
  t.equal(await pull('web:v1'), 'one');
  t.equal(await pull('app:v1'), 'four');
  t.strictSame(moves(), ['web held: unverified', 'app followed: move']);
  t.equal(await pull('base:v1'), 'one');
});

day(5, 'app:v1 goes back to an image that is signed, and has a hole', async (t) => {
  retag('app:v1', 'one');
  release('base:v1', 'two');
  t.equal(await pull('app:v1'), 'four, held');
  t.match(await why('app:v1'), /the tag left it on 2026-06-02.*, so this is a rollback/);
  t.equal(await pull('base:v1'), 'one, held');
  t.match(await why('base:v1'), /the rule waits until 2026-06-08/);
  t.strictSame(moves(), ['app held: rollback', 'base held: cooldown']);
  t.strictSame(asked('base').slice(-1), ['HEAD base:v1'], 'base@two is not fetched yet');
});

day(6, 'it was the publisher, and an operator allows it', async (t) => {
  t.equal(await pull('app:v1'), 'four, held');
  await order('app:v1', { frozen: false, rollback: 'any', ask: true });
  t.equal(await pull('app:v1'), 'one');
});

day(7, 'an allowed rollback is allowed once', async (t) => {
  retag('app:v1', 'four');
  t.equal(await pull('app:v1'), 'one, held');
  release('app:v1', 'five');
  await later(1);
  t.equal(await pull('app:v1'), 'five', 'forward it goes as ever');
  t.equal(await pullAll('app@five'), '200');
  t.strictSame(moves(), [
    'app held: rollback',
    'app followed: move',
    'app held: rollback',
    'app followed: move',
  ]);
});

day(8, 'the cooldown of base@two is over', async (t) => {
  t.equal(await pull('base:v1'), 'two');
  t.strictSame(moves(), ['base followed: move']);
});

day(9, 'the scan of day 1 is too old', async (t) => {
  t.strictSame(withdrawn(), ['scan'], 'by itself, in the night');
  t.equal(await pull('scan:v1'), '403 DENIED');
  t.match(await why('scan:v1'), /it is 8 days old, the limit is 7 days/);
  t.equal(await pullAll('scan@one'), '403 DENIED');
  scan('scan@one');
  await later(1);
  t.equal(await pull('scan:v1'), 'one');
  t.equal(await pullAll('scan@one'), '200');
});

day(10, 'an operator freezes web:v1 for a sale', async (t) => {
  for (const tag of ['app:nightly', 'web:nightly']) {
    release(tag, 'nightly');
    t.equal(await pull(tag), 'nightly');
  }
  await order('web:v1', { frozen: true });
  release('web:v1', 'two');
  asked('web');
  t.equal(await pull('web:v1'), 'one');
  t.equal(await why('web:v1'), '');
});

day(11, 'the nightly builds are deleted', async (t) => {
  t.equal(await pull('web:v1'), 'one');
  t.strictSame(asked('web'), [], 'nobody asks about a frozen tag');
  for (const tag of ['app:nightly', 'web:nightly']) remove(tag);
  t.equal(await pull('app:nightly'), '404 MANIFEST_UNKNOWN');
  t.equal(await pull('web:nightly'), 'nightly, held');
  t.match(await why('web:nightly'), /the tag is gone upstream/);
  for (const image of ['app@nightly', 'web@nightly']) t.equal(await pullAll(image), '200');
  t.strictSame(moves(), ['app purged: deleted', 'web held: deleted']);
  // An hour without upstream brings back nothing that was forgotten.
  heal = fail({ kind: 'status', status: 500 });
  await later(1);
  t.equal(await pull('app:nightly'), '503 UNAVAILABLE');
  t.equal(await pull('web:nightly'), 'nightly, stale, held');
  heal();
});

day(12, 'the sale is over, and a signature is lost', async (t) => {
  await order('web:v1', { frozen: false, ask: true });
  t.equal(await pull('web:v1'), 'two');
  t.equal(await pullAll('web@two'), '200');
  t.strictSame(moves(), ['web followed: move']);
  unsign('web@two');
  await later(1);
  t.equal(await pull('web:v1'), 'two', 'what was decided is not a day old');
  t.strictSame(withdrawn(), []);
  // In the evening it is out of service, before the day is over and before anybody asks.
  await later(22);
  t.strictSame(withdrawn(), ['web']);
  t.equal(await pullAll('web@two'), '403 DENIED', 'each part of it');
  t.equal(await pull('web:v1'), '403 DENIED');
  t.equal(await pullAll('web@one'), '200', 'and nothing else');
});

day(13, 'it is signed again', async (t) => {
  t.equal(await pull('web:v1'), '403 DENIED');
  sign('web@two');
  await later(1);
  t.equal(await pull('web:v1'), 'two');
  t.equal(await pullAll('web@two'), '200');
});

day(14, 'at midnight the upstream goes down', async (t) => {
  for (const tag of ['app:v1', 'web:v1', 'base:v1', 'scan:v1', 'tool:v1']) await pull(tag);
  moves();
  heal = fail({ kind: 'reset' });
  t.equal(await pull('app:v1'), 'five');
  await later(1);
  t.equal(await pull('app:v1'), 'five, stale');
  t.match(await why('app:v1'), /stale: .*connection lost/);
  t.equal(await pullAll('app@five'), '200');
});

day(15, 'nobody who pulls what is here notices, and nobody hammers', async (t) => {
  countAsked();
  for (const name of ['app', 'web', 'base', 'scan']) {
    t.match(await pull(`${name}:v1`), /^(?:one|two|five), stale$/);
  }
  for (const image of ['app@one', 'app@five', 'web@two', 'db@one']) {
    t.equal(await pullAll(image), '200');
  }
  t.equal(await pull('app:v9'), '503 UNAVAILABLE', 'what is not here must wait');
  // A decision lasts no longer than the list of revoked certificates of yesterday.
  t.equal(await pull('tool:v1'), '503 UNAVAILABLE');
  await later(23);
  const count = countAsked();
  t.ok(count <= 4 * 3, `${count} questions in 4 steps`);
});

day(16, 'the scan of day 9 is too old, and nobody can see whether there is another', async (t) => {
  t.equal(await pull('scan:v1'), '503 UNAVAILABLE');
  t.equal(await pull('app:v1'), 'five, stale');
  t.strictSame(withdrawn(), [], 'an outage is no denial');
});

day(17, 'three days are over: tags are refused, digests are not', async (t) => {
  for (const tag of ['app:v1', 'web:v1', 'db:v1']) {
    t.equal(await pull(tag), '503 UNAVAILABLE');
    t.match(await why(tag), /connection lost/);
    t.match(await month.retryAfter(tag), /^\d+$/);
  }
  for (const image of ['app@five', 'web@two', 'db@one']) t.equal(await pullAll(image), '200');
});

day(18, 'the upstream is back, and so is everything', async (t) => {
  t.equal(await pull('app@five'), '503 UNAVAILABLE', 'a day after its decision, and three more');
  t.equal(await pull('db@one'), 'one', 'its rule looks every 7 days');
  heal();
  await later(1);
  t.equal(await pull('app:v1'), 'five');
  t.equal(await pull('web:v1'), 'two');
  t.equal(await pull('tool:v1'), 'one');
  t.equal(await pullAll('app@five'), '200');
  t.strictSame(moves(), []);
  t.strictSame(withdrawn(), ['scan'], 'but for what ended meanwhile');
});

day(19, 'somebody changes the password, and does not tell the proxy', async (t) => {
  t.equal(await pull('app:v1'), 'five');
  registry.auth = { kind: 'basic', username: 'proxy', password: 'another' };
  await later(23);
  t.equal(await pull('app:v1'), 'five, stale');
  t.match(await why('app:v1'), /401/);
  t.equal(await pullAll('app@five'), '200');
});

day(20, 'told at last, it is limited: too many questions', async (t) => {
  registry.auth = { kind: 'none' };
  await later(1);
  t.equal(await pull('app:v1'), 'five');
  heal = fail({ kind: 'status', status: 429, headers: { 'retry-after': '600' } });
  await later(22);
  t.equal(await pull('app:v1'), 'five, stale');
  t.match(await why('app:v1'), /429/);
  t.equal(await pull('app:v9'), '429 TOOMANYREQUESTS');
  t.equal(await pullAll('app@five'), '200');
});

day(21, 'a quiet day, but for a theft at the vendor of tool', async (t) => {
  heal();
  await later(1);
  t.equal(await pull('app:v1'), 'five');
  t.equal(await pull('tool:v1'), 'one');
  t.strictSame([...moves(), ...withdrawn()], []);
  month.revokeVendor();
});

day(22, "the vendor's certificate is revoked, and there is another", async (t) => {
  t.strictSame(withdrawn(), ['tool']);
  t.equal(await pullAll('tool@one'), '403 DENIED');
  t.equal(await pull('tool:v1'), '403 DENIED');
  t.match(await why('tool:v1'), /CN=signer was revoked .*keyCompromise/);
  signAsVendor('tool@one', 25);
  await later(1);
  t.equal(await pull('tool:v1'), 'one');
  t.equal(await pullAll('tool@one'), '200');
});

day(23, 'nothing happens, and the configuration is reloaded as it was', async (t) => {
  for (const name of ['app', 'web', 'db']) await pull(`${name}:v1`);
  month.reloadRoots();
  countAsked();
  for (const tag of ['app:v1', 'web:v1', 'db:v1']) t.match(await pull(tag), /^(?:one|two|five)$/);
  t.equal(countAsked(), 0, 'pins and decisions are remembered');
  for (const name of ['app', 'web']) asked(name);
  month.looked();
  await later(24);
  // Signatures are looked for again, once for each image. Images are not fetched again, nor are tags asked about.
  t.strictSame(month.looked().toSorted(), [
    ...['app@five', 'app@four', 'app@nightly', 'app@one', 'app@three', 'app@two'],
    ...['base@one', 'base@two', 'tool@one', 'web@nightly', 'web@one', 'web@two'],
  ]);
  for (const name of ['app', 'web']) t.strictSame(asked(name), []);
});

day(25, 'the new signature was good until today', async (t) => {
  t.strictSame(withdrawn(), ['tool']);
  t.equal(await pull('tool:v1'), '403 DENIED');
  t.match(await why('tool:v1'), /expiry: it expired at/);
  signAsVendor('tool@one');
  await later(1);
  t.equal(await pull('tool:v1'), 'one');
});

day(26, 'the key of the releases is lost, and its trust root reloaded', async (t) => {
  month.changeKey();
  t.equal(await pull('app:v1'), 'five');
  month.reloadRoots();
  for (const name of ['app', 'web', 'base', 'db']) t.equal(await pull(`${name}:v1`), '403 DENIED');
  t.match(await why('app:v1'), /signed by someone else/);
  t.equal(await pullAll('app@five'), '403 DENIED');
  t.equal(await pull('tool:v1'), 'one', 'the vendor has a key of his own');
});

day(27, 'everything is signed again', async (t) => {
  for (const image of ['app@five', 'web@two', 'base@two', 'db@one']) sign(image);
  await later(1);
  t.equal(await pull('app:v1'), 'five');
  t.equal(await pull('web:v1'), 'two');
  t.equal(await pull('base:v1'), 'two');
  for (const image of ['app@five', 'web@two', 'db@one']) t.equal(await pullAll(image), '200');
  t.equal(await pullAll('app@four'), '403 DENIED', 'but for what nobody signed again');
});

day(28, 'base:v1 moves; the clock is set back by a day, and app:v1 moves', async (t) => {
  moves();
  release('base:v1', 'three');
  t.equal(await pull('base:v1'), 'two, held');
  t.match(await why('base:v1'), /waits until 2026-07-01/);
  t.equal(await pull('app:v1'), 'five');
  proxy.now -= DAY;
  release('app:v1', 'six');
  t.equal(await pull('app:v1'), 'six', 'a pin of tomorrow is not fresh');
  unsign('web@two');
  t.equal(await pullAll('web@two'), '403 DENIED', 'nor is a decision of tomorrow young');
  sign('web@two');
  t.equal(await pull('base:v1'), 'two, held');
  t.match(await why('base:v1'), /waits until 2026-06-30/, 'three days from now, as now is');
  t.strictSame(withdrawn(), ['web']);
});

day(29, 'nobody minds the clock any more', async (t) => {
  t.equal(await pull('base:v1'), 'two, held');
  t.equal(await pull('web:v1'), 'two');
});

day(30, 'the month ends', async (t) => {
  t.equal(await pull('base:v1'), 'three');
  t.equal(await pull('app:v1'), 'six');
  t.strictSame(month.saw('db:v1'), [
    'day 1: one',
    'day 11: one, stale',
    'day 11: one',
    'day 14: one, stale',
    'day 17: 503 UNAVAILABLE',
    'day 18: one',
    'day 19: one, stale',
    'day 20: one',
    'day 20: one, stale',
    'day 21: one',
    'day 26: 403 DENIED',
    'day 27: one',
  ]);
  t.strictSame(month.saw('db@one'), ['day 1: one', 'day 26: 403 DENIED', 'day 27: one']);
  t.notOk(month.served.has('evil'), 'what the thief pushed was never served');
  const heads = asked('db').filter((line) => line === 'HEAD db:v1').length;
  t.ok(heads <= 30 * 24, `${heads} questions in a month`);
});
