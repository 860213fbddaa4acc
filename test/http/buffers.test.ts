/** The memory that clients can make us hold: large buffers for few, small ones for many. */
import t from 'tap';
import {
  ENCRYPTED_BUFFER,
  giveBuffer,
  loseBuffer,
  SMALLEST_BUFFER,
  takeBuffer,
} from '../../src/http/buffers.ts';

const MiB = 2 ** 20;
const sum = (buffers: readonly Buffer[]): number =>
  buffers.reduce((total, { length }) => total + length, 0);

t.test('one client gets a large buffer', async (t) => {
  const buffer = takeBuffer(Number.POSITIVE_INFINITY);
  t.equal(buffer.length, MiB);
  giveBuffer(buffer);
});

t.test('no buffer is larger than was asked for, but for the smallest', async (t) => {
  const buffers = [MiB - 1, ENCRYPTED_BUFFER, SMALLEST_BUFFER, 1, 0].map(takeBuffer);
  t.strictSame(
    buffers.map(({ length }) => length / 1024),
    [256, 256, 64, 64, 64],
  );
  buffers.forEach(giveBuffer);
});

t.test('hundreds of clients hold little more than dozens do', async (t) => {
  const buffers = Array.from({ length: 400 }, () => takeBuffer(Number.POSITIVE_INFINITY));
  t.ok(sum(buffers) <= 56 * MiB, `${sum(buffers) / MiB} MiB`);
  t.equal(buffers.at(-1)?.length, SMALLEST_BUFFER);
  t.equal(new Set(buffers).size, 400, 'each has its own');
  buffers.forEach(giveBuffer);
});

t.test('room that was given back or lost is there for the next', async (t) => {
  for (const leave of [giveBuffer, loseBuffer]) {
    const buffers = Array.from({ length: 100 }, () => takeBuffer(Number.POSITIVE_INFINITY));
    buffers.forEach(leave);
    const next = takeBuffer(Number.POSITIVE_INFINITY);
    t.equal(next.length, MiB);
    giveBuffer(next);
  }
});

t.test("a lost buffer is nobody else's", async (t) => {
  const lost = takeBuffer(SMALLEST_BUFFER);
  loseBuffer(lost);
  const next = takeBuffer(SMALLEST_BUFFER);
  t.not(next, lost);
  giveBuffer(next);
});
