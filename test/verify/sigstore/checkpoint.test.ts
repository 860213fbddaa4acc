/** Checkpoints: the grammar of signed notes, and who signed them. */
import fc from 'fast-check';
import t from 'tap';
import {
  parseCheckpoint,
  verifyCheckpoint,
  type OriginStyle,
} from '../../../src/verify/sigstore/checkpoint.ts';
import { createKey } from '../../helpers/sigstore/key.ts';
import { createWitness, noteKeyId, signatureLine } from '../../helpers/sigstore/signed-note.ts';
import { trustedLog } from '../../helpers/sigstore/sigstore.ts';
import { createTransparencyLog } from '../../helpers/sigstore/transparency-log.ts';

const clock = () => 0;
const log1 = createTransparencyLog({ version: 1, clock, origin: 'rekor.test' });
const log2 = createTransparencyLog({ version: 2, clock, origin: 'log2.test' });
const ROOT = Buffer.alloc(32, 7);
const SAID = { treeSize: 9n, rootHash: ROOT };
const TREE = 'rekor.test - 2605736670972794746';

const verify1 = (note: string) => verifyCheckpoint(note, trustedLog(log1), 'tree-id');
const verify2 = (note: string) => verifyCheckpoint(note, trustedLog(log2), 'bare');

t.test('reads what the logs of both versions sign', (t) => {
  t.same(verify1(log1.checkpoint(9, ROOT, { origin: TREE })), { ...SAID, origin: TREE });
  t.same(verify2(log2.checkpoint(9, ROOT)), { ...SAID, origin: 'log2.test' });
  t.end();
});

t.test('verifies with keys of every kind that logs have', (t) => {
  for (const kind of ['p256', 'p384', 'rsa', 'ed25519'] as const) {
    const log = createTransparencyLog({ version: 2, clock, kind });
    t.match(verifyCheckpoint(log.checkpoint(9, ROOT), trustedLog(log), 'bare'), SAID, kind);
  }
  t.end();
});

t.test('reads extension lines, which are part of what is signed', (t) => {
  const text = `${TREE}\n9\n${ROOT.toString('base64')}\nTimestamp: 1689177396617352539\n`;
  const note = `${text}\n${signatureLine('rekor.test', log1.id, log1.key.sign(Buffer.from(text)))}`;
  t.match(verify1(note), SAID);
  t.throws(() => verify1(note.replace('Timestamp: 1', 'Timestamp: 2')), {
    message: /does not verify/,
  });
  t.end();
});

t.test('leaves witnesses and other keys alone, wherever they stand', (t) => {
  const own = log2.checkpoint(9, ROOT);
  const text = own.slice(0, own.indexOf('\n\n') + 1);
  const line = own.slice(text.length + 1);
  const [one, two] = [createWitness('witness.test/one'), createWitness('two.test')];
  const cosigned = [one.cosign(text, 1000), two.cosign(text, 1000)];
  const other = createKey('p256');
  const otherKey = signatureLine('log2.test', Buffer.alloc(4, 9), other.sign(Buffer.from(text)));
  const junk = signatureLine('log2.test', log2.id, Buffer.alloc(64));
  for (const lines of [
    [line, ...cosigned],
    [...cosigned, line],
    [otherKey, line],
    [line, otherKey],
    [junk, line],
  ]) {
    t.match(verify2(`${text}\n${lines.join('')}`), SAID);
  }
  t.throws(() => verify2(`${text}\n${cosigned.join('')}`), { message: /not signed by the log/ });
  t.throws(() => verify2(`${text}\n${junk}`), { message: /does not verify/ });
  t.end();
});

t.test('refuses a malformed line of a witness', (t) => {
  const own = log2.checkpoint(9, ROOT);
  for (const line of [
    '— witness.test !!!\n',
    '— witness.test\n',
    '- witness.test AAAAAAAA\n',
    '— witness.test AAAAAA==\n',
    '— wit+ness AAAAAAAA\n',
    '—  AAAAAAAA\n',
    '— witness.test AAAAAAAA \n',
    '— witness.test AAAAAAAA\n\n',
    '\n',
    '— witness.test AAAAAAAA',
    '— witness.test AAAAAAAA\r\n',
    '— wit\u2003ness AAAAAAAA\n',
  ]) {
    t.throws(() => verify2(own + line), SyntaxError, JSON.stringify(line));
  }
  t.match(verify2(`${own}— witness.test AAAAAAAA\n`), SAID);
  t.end();
});

t.test('refuses a signature by another key, under another name or key id', (t) => {
  const other = createKey('ed25519');
  const refuses = (change: Parameters<typeof log2.checkpoint>[2], message: RegExp) =>
    t.throws(() => verify2(log2.checkpoint(9, ROOT, change)), { name: 'SyntaxError', message });
  refuses({ key: other }, /does not verify/);
  refuses({ keyId: noteKeyId('log2.test', 1, other) }, /not signed by the log/);
  refuses({ signer: 'other.test' }, /not signed by the log/);
  t.end();
});

t.test('refuses names that hold the origin, and parts of it', (t) => {
  for (const signer of ['test', 'log2.tes', 'og2.test', 'log2.test.evil', 'x.log2.test', 'l.*t']) {
    t.throws(
      () => verify2(log2.checkpoint(9, ROOT, { signer })),
      { message: /not signed by the log/ },
      signer,
    );
  }
  t.end();
});

t.test('refuses the checkpoint of another log, even one that this key signed', (t) => {
  const cases: readonly (readonly [OriginStyle, string])[] = [
    ['bare', 'other.test'],
    ['bare', 'log2.test.evil'],
    ['bare', 'log2.test - 12'],
    ['bare', 'log2'],
    ['tree-id', 'log2.test.evil - 12'],
    ['tree-id', 'evil.log2.test - 12'],
    ['tree-id', 'log2.test - '],
    ['tree-id', 'log2.test - 12x'],
    ['tree-id', 'log2.test -12'],
    ['tree-id', 'log2.test - 12 - 13'],
    ['tree-id', 'log2.test.evil'],
  ];
  for (const [style, origin] of cases) {
    const note = log2.checkpoint(9, ROOT, { origin });
    t.throws(
      () => verifyCheckpoint(note, trustedLog(log2), style),
      { name: 'SyntaxError', message: /expected a checkpoint of log2.test, got one of/ },
      `${style} ${origin}`,
    );
  }
  t.end();
});

t.test('the key id of checkpoints may be another than that of entries', (t) => {
  const checkpointId = 'c0ffee00'.repeat(8);
  const log = { ...trustedLog(log2), checkpointId };
  const keyId = Buffer.from(checkpointId, 'hex');
  t.match(verifyCheckpoint(log2.checkpoint(9, ROOT, { keyId }), log, 'bare'), SAID);
  t.throws(() => verifyCheckpoint(log2.checkpoint(9, ROOT), log, 'bare'), SyntaxError);
  t.end();
});

t.test('a key id that is too short fits nothing', (t) => {
  const log = { ...trustedLog(log2), checkpointId: '' };
  t.throws(() => verifyCheckpoint(log2.checkpoint(9, ROOT), log, 'bare'), SyntaxError);
  t.end();
});

const LINE = '— log.test AAAAAAAA\n';
const HASH = ROOT.toString('base64');

t.test('refuses every other text', (t) => {
  const texts: readonly (readonly [string, RegExp])[] = [
    ['', /plain lines/],
    ['\n', /blank line/],
    [`log.test\n9\n${HASH}\n${LINE}`, /blank line/],
    [`log.test\n9\n${HASH}\n\n`, /no signature/],
    [`log.test\n9\n\n${LINE}`, /root hash/],
    [`log.test\n\n${LINE}`, /tree size/],
    [`\n9\n${HASH}\n\n${LINE}`, /empty line/],
    [`log.test\n9\n${HASH}\n\nmore\n\n${LINE}`, /empty line/],
    [`log.test\n09\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n-9\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n+9\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n0x9\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n9 \n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n9e9\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n99999999999999999999\n${HASH}\n\n${LINE}`, /tree size/],
    [`log.test\n9\n${HASH.slice(0, -1)}\n\n${LINE}`, /root hash/],
    [`log.test\n9\n${HASH} \n\n${LINE}`, /root hash/],
    [`log.test\n9\n${ROOT.toString('base64url')}\n\n${LINE}`, /root hash/],
    [`log.test\n9\n${ROOT.subarray(1).toString('base64')}\n\n${LINE}`, /32 bytes/],
    [`log.test\r\n9\n${HASH}\n\n${LINE}`, /plain lines/],
    [`log.test\t\n9\n${HASH}\n\n${LINE}`, /plain lines/],
    [`log.test\ud800\n9\n${HASH}\n\n${LINE}`, /plain lines/],
    [`log.test\n9\n${HASH}\n\n${LINE.repeat(65)}`, /at most 64/],
    [`log.test\n9\n${HASH}\n${'x'.repeat(200_000)}\n\n${LINE}`, /characters/],
  ];
  for (const [text, message] of texts) {
    t.throws(() => parseCheckpoint(text), { name: 'SyntaxError', message }, text.slice(0, 80));
  }
  t.match(parseCheckpoint(`log.test\n9\n${HASH}\n\n${LINE.repeat(64)}`), SAID);
  t.match(parseCheckpoint(`log.test\n0\n${HASH}\n\n${LINE}`), { treeSize: 0n });
  t.end();
});

t.test('throws SyntaxError and nothing else', (t) => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\n', '\n\n', '— ', ' ', '9', HASH, LINE, 'log2.test', 'AAAAAAAA'),
  );
  const good = log2.checkpoint(9, ROOT);
  const changed = fc
    .tuple(fc.nat(good.length), fc.nat(4), part)
    .map(([at, count, text]) => good.slice(0, at) + text + good.slice(at + count));
  fc.assert(
    fc.property(
      fc.oneof(
        changed,
        fc.array(part).map((parts) => parts.join('')),
      ),
      (note) => {
        try {
          // Whatever else a note may say, the log said these two.
          const { treeSize, rootHash } = verify2(note);
          return treeSize === 9n && rootHash.equals(ROOT);
        } catch (error) {
          return error instanceof SyntaxError;
        }
      },
    ),
    { numRuns: 400 },
  );
  t.end();
});
