/** Entries of transparency logs, whole: promise, proof and body, of both versions of Rekor. */
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import t, { type Test } from 'tap';
import type { PublicKey } from '../../../src/trust/public-key.ts';
import type { Certificate } from '../../../src/trust/certificate.ts';
import { verifyEntry, type VerifiedEntry } from '../../../src/verify/sigstore/log-entry.ts';
import type { LogEntry } from '../../../src/verify/sigstore/material.ts';
import { bundleOf } from '../../helpers/sigstore/bundle.ts';
import { createKey } from '../../helpers/sigstore/key.ts';
import type { SignedEnvelope, SignedMessage } from '../../helpers/sigstore/signed.ts';
import { createWitness } from '../../helpers/sigstore/signed-note.ts';
import { createSigstore, SIGSTORE_TIME, trustedLog } from '../../helpers/sigstore/sigstore.ts';
import { createTransparencyLog, type EntryJson } from '../../helpers/sigstore/transparency-log.ts';
import { statement } from '../../helpers/signer.ts';
import { entryOf, materialOf, verifierOf } from './logged.ts';

const DATA = Buffer.from('an artifact');
const PAYLOAD = statement([{ digest: { sha256: 'a'.repeat(64) } }]);
const sigstore = createSigstore({ log2: { witnesses: [createWitness()] } });
const { log, log2 } = sigstore;
const [KEY, KEY2] = [trustedLog(log), trustedLog(log2)];
const into2 = { logs: [log2] };
const unpromised = { add: { promise: false } };

type Signed = SignedMessage | SignedEnvelope;

function verify(
  signed: Signed,
  change: Partial<LogEntry> = {},
  {
    now = SIGSTORE_TIME,
    logs = [KEY, KEY2],
    verifier = verifierOf(signed.verifier),
  }: {
    readonly now?: number;
    readonly logs?: readonly (typeof KEY)[];
    readonly verifier?: PublicKey | Certificate;
  } = {},
): VerifiedEntry | 'unknown-log' {
  const entry = { ...entryOf(signed), ...change };
  return verifyEntry(entry, materialOf(signed), verifier, logs, 'ours', now);
}

/** The entry without what `exactOptionalPropertyTypes` does not let us set to undefined. */
function without(signed: Signed, name: 'promise' | 'proof'): Signed {
  const inBundle = name === 'promise' ? 'inclusionPromise' : 'inclusionProof';
  const entries = signed.entries.map(
    (entry) =>
      Object.fromEntries(
        Object.entries(entry).filter(([key]) => key !== inBundle),
      ) as unknown as EntryJson,
  );
  return { ...signed, entries };
}

const inclusion = { trustRoot: 'ours', log: KEY.id, name: 'rekor.sigstore.test' };
const inclusion2 = { trustRoot: 'ours', log: KEY2.id, name: 'log2026-1.rekor.sigstore.test' };
const { validity: keyValidity } = KEY;
const time = {
  trustRoot: 'ours',
  source: 'transparency-log',
  authority: KEY.id,
  name: 'rekor.sigstore.test',
  time: SIGSTORE_TIME,
};

t.test('version 1 with a promise and a proof', (t) => {
  const signed = sigstore.signMessage(DATA);
  const index = `${entryOf(signed).index}`;
  t.strictSame(verify(signed), {
    inclusion: { ...inclusion, index, by: ['promise', 'proof'] },
    time,
    keyValidity,
  });
  t.end();
});

t.test('version 1 with a promise alone', (t) => {
  const signed = sigstore.signMessage(DATA, { add: { proof: false } });
  const index = `${entryOf(signed).index}`;
  t.strictSame(verify(signed), {
    inclusion: { ...inclusion, index, by: ['promise'] },
    time,
    keyValidity,
  });
  t.end();
});

t.test('version 1 with a proof alone proves no time, and the index in its tree', (t) => {
  const signed = sigstore.signMessage(DATA, { add: { promise: false } });
  const { proof, index } = entryOf(signed);
  t.not(proof?.index, index);
  t.strictSame(verify(signed), {
    inclusion: { ...inclusion, index: `${proof?.index ?? ''}`, by: ['proof'] },
    keyValidity,
  });
  t.end();
});

t.test('version 2 proves no time', (t) => {
  const message = sigstore.signMessage(DATA, into2);
  for (const signed of [
    message,
    sigstore.signEnvelope(PAYLOAD, into2),
    sigstore.signEnvelope(PAYLOAD, { ...into2, entryKind: 'dsse 0.0.2' }),
  ]) {
    const index = `${entryOf(signed).index}`;
    const expected = { inclusion: { ...inclusion2, index, by: ['proof'] }, keyValidity };
    t.strictSame(verify(signed), expected);
    t.strictSame(verify(signed, { integratedTime: 0 }), expected);
  }
  t.end();
});

t.test('an entry of an unknown log counts for nothing', (t) => {
  const signed = sigstore.signMessage(DATA);
  t.equal(verify(signed, {}, { logs: [KEY2] }), 'unknown-log');
  t.equal(verify(signed, { body: Buffer.from('junk') }, { logs: [] }), 'unknown-log');
  t.end();
});

function refuses(
  t: Test,
  signed: Signed,
  change: Partial<LogEntry>,
  message: RegExp,
  options: Parameters<typeof verify>[2] = {},
): void {
  t.throws(() => verify(signed, change, options), { name: 'SyntaxError', message });
}

t.test('says which entry of which log', (t) => {
  const signed = sigstore.signMessage(DATA);
  const { index } = entryOf(signed);
  const where = `^entry ${index} of the log rekor.sigstore.test: the log entry is by another cert`;
  const verifier = verifierOf(sigstore.leaf());
  refuses(t, signed, {}, new RegExp(where), { verifier });
  t.end();
});

t.test('refuses an entry that nothing proves', (t) => {
  const bare = without(without(sigstore.signMessage(DATA), 'proof'), 'promise');
  refuses(t, bare, {}, /expected a promise \(SET\), or an inclusion proof/);
  const bare2 = without(sigstore.signMessage(DATA, into2), 'proof');
  refuses(t, bare2, {}, /expected an inclusion proof under a checkpoint/);
  t.end();
});

t.test('a proof without a checkpoint proves nothing, but must lead to its root', (t) => {
  const signed = sigstore.signMessage(DATA);
  const { proof } = entryOf(signed);
  if (proof === undefined) throw new Error('expected a proof');
  const open = { ...proof, checkpoint: undefined };
  t.match(verify(signed, { proof: open }), { inclusion: { by: ['promise'] } });
  t.strictSame((verify(signed, { proof: open }) as VerifiedEntry).inclusion.by, ['promise']);
  const rootHash = Buffer.alloc(32);
  refuses(t, signed, { proof: { ...open, rootHash } }, /does not lead from the entry/);
  refuses(t, without(signed, 'promise'), { proof: open }, /expected a promise \(SET\), or/);
  const signed2 = sigstore.signMessage(DATA, into2);
  const proof2 = { ...(entryOf(signed2).proof ?? proof), checkpoint: undefined };
  refuses(t, signed2, { proof: proof2 }, /expected an inclusion proof under a checkpoint/);
  t.end();
});

t.test('version 2 makes no promises and tells no time', (t) => {
  const signed = sigstore.signMessage(DATA, into2);
  const { body, index } = entryOf(signed);
  const integratedTime = SIGSTORE_TIME / 1000;
  refuses(t, signed, { integratedTime }, /unexpected integrated time/);
  const promise = log2.promise(body, integratedTime, Number(index));
  refuses(t, signed, { promise, integratedTime }, /unexpected promise/);
  refuses(t, signed, { promise }, /unexpected promise/);
  t.end();
});

t.test('a forged integrated time beside a true proof proves no time', (t) => {
  const signed = sigstore.signMessage(DATA, { add: { promise: false } });
  for (const integratedTime of [1, undefined, SIGSTORE_TIME / 1000 + 1e6]) {
    t.notOk('time' in (verify(signed, { integratedTime }) as VerifiedEntry));
  }
  const promised = sigstore.signMessage(DATA);
  const integratedTime = SIGSTORE_TIME / 1000 - 60;
  refuses(t, promised, { integratedTime }, /promise \(SET\) of the log does not verify/);
  t.end();
});

t.test('refuses the promise of another entry', (t) => {
  const [one, other] = [sigstore.signMessage(DATA), sigstore.signMessage(DATA)];
  const { promise } = entryOf(other);
  if (promise === undefined) throw new Error('expected a promise');
  refuses(t, one, { promise }, /promise \(SET\) of the log does not verify/);
  t.end();
});

t.test('refuses the proof of another leaf', (t) => {
  for (const options of [{}, into2]) {
    const [one, other] = [sigstore.signMessage(DATA, options), sigstore.signMessage(DATA, options)];
    const { proof, index } = entryOf(other);
    if (proof === undefined) throw new Error('expected a proof');
    const taken = 'logs' in options ? { proof, index } : { proof };
    refuses(t, one, taken, /does not lead from the entry to the root hash/);
  }
  t.end();
});

t.test('refuses a whole entry that is about something else', (t) => {
  const signed = sigstore.signMessage(DATA);
  const other = sigstore.signMessage(Buffer.from('another artifact'));
  t.throws(
    () =>
      verifyEntry(
        entryOf(other),
        materialOf(signed),
        verifierOf(other.verifier),
        [KEY],
        'ours',
        SIGSTORE_TIME,
      ),
    { name: 'SyntaxError', message: /the log entry is about other content/ },
  );
  t.end();
});

t.test('refuses the checkpoint of another log', (t) => {
  const stranger = createTransparencyLog({ clock: sigstore.clock, origin: log.origin });
  const signed = sigstore.signMessage(DATA);
  const { proof } = entryOf(signed);
  if (proof === undefined) throw new Error('expected a proof');
  const at = (checkpoint: string) => ({ proof: { ...proof, checkpoint } });
  const size = Number(proof.treeSize);
  refuses(t, signed, at(stranger.checkpoint(size, proof.rootHash)), /not signed by the log/);
  const forged = stranger.checkpoint(size, proof.rootHash, { keyId: log.id });
  refuses(t, signed, at(forged), /does not verify/);
  refuses(t, signed, at(log2.checkpoint(size, proof.rootHash)), /not signed by the log/);
  const alone = sigstore.signMessage(DATA, unpromised);
  const foreign = at(log2.checkpoint(size, proof.rootHash));
  refuses(t, alone, foreign, /expected a checkpoint of rekor/);
  t.end();
});

t.test('with a promise of the log, its checkpoint may carry the name of a machine', (t) => {
  const signed = sigstore.signMessage(DATA);
  const { proof } = entryOf(signed);
  if (proof === undefined) throw new Error('expected a proof');
  const at = (options: object) => ({
    proof: {
      ...proof,
      checkpoint: log.checkpoint(Number(proof.treeSize), proof.rootHash, options),
    },
  });
  const machine = { origin: 'rekor-7d9f - 123', signer: 'rekor-7d9f' };
  t.doesNotThrow(() => verify(signed, at(machine)));
  refuses(t, signed, at({ ...machine, signer: 'another' }), /not signed by the log/);
  refuses(t, signed, at({ ...machine, signer: log.origin }), /not signed by the log/);
  refuses(t, sigstore.signMessage(DATA, unpromised), at(machine), /expected a checkpoint of rekor/);
  t.end();
});

t.test('a tree id stands behind the origin in version 1 alone', (t) => {
  const signed = sigstore.signMessage(DATA, into2);
  const { proof } = entryOf(signed);
  if (proof === undefined) throw new Error('expected a proof');
  const origin = `${log2.origin} - 123`;
  const checkpoint = log2.checkpoint(Number(proof.treeSize), proof.rootHash, { origin });
  refuses(t, signed, { proof: { ...proof, checkpoint } }, /expected a checkpoint of log2026-1/);
  t.end();
});

t.test('tree size and root hash are those of the checkpoint', (t) => {
  for (const options of [{}, into2]) {
    const signed = sigstore.signMessage(DATA, options);
    const { proof } = entryOf(signed);
    if (proof === undefined) throw new Error('expected a proof');
    const treeSize = proof.treeSize + 1n;
    refuses(t, signed, { proof: { ...proof, treeSize } }, /expected an inclusion proof for the/);
    const rootHash = Buffer.alloc(32);
    refuses(t, signed, { proof: { ...proof, rootHash } }, /not that of the checkpoint/);
    const unsaid = { ...proof, treeSize: 0n, rootHash: Buffer.alloc(0) };
    t.match(verify(signed, { proof: unsaid }), { inclusion: { trustRoot: 'ours' } });
  }
  t.end();
});

t.test('refuses negative indices, and in version 2 two indices', (t) => {
  const signed = sigstore.signMessage(DATA);
  refuses(t, signed, { index: -1n }, /expected a log index of 0 or more/);
  const proven = sigstore.signMessage(DATA, { add: { promise: false } });
  refuses(t, proven, { index: -1n }, /expected a log index of 0 or more/);
  const { proof } = entryOf(signed);
  if (proof === undefined) throw new Error('expected a proof');
  refuses(t, signed, { proof: { ...proof, index: -1n } }, /expected an index below the tree size/);
  const signed2 = sigstore.signMessage(DATA, into2);
  refuses(t, signed2, { index: 0n }, /expected an inclusion proof for index 0, got one for/);
  t.end();
});

t.test('refuses a promise made when the key was not valid, or in the future', (t) => {
  const signed = sigstore.signMessage(DATA);
  const logs = [{ ...KEY, validity: { start: 0, end: SIGSTORE_TIME - 1 } }];
  refuses(t, signed, {}, /key of the log was not valid/, { logs });
  refuses(t, signed, {}, /is in the future/, { now: SIGSTORE_TIME - 3_600_000 });
  t.end();
});

t.test('two entries of one log name one log', (t) => {
  const by = createKey();
  const two = [sigstore.signMessage(DATA, { by }), sigstore.signMessage(DATA, { by })];
  const logs = two.map((signed) => (verify(signed) as VerifiedEntry).inclusion.log);
  t.strictSame(new Set(logs), new Set([KEY.id]));
  t.end();
});

t.test('refuses a duplicate member in a body that the log signed', (t) => {
  const signed = sigstore.signMessage(DATA);
  const text = entryOf(signed).body.toString();
  const body = Buffer.from(text.replace('"kind":', '"kind":"rekord","kind":'));
  const { index, integratedTime = 0 } = entryOf(signed);
  const promise = log.promise(body, integratedTime, Number(index));
  refuses(t, without(signed, 'proof'), { body, promise }, /duplicate member "kind"/);
  t.end();
});

t.test("somebody else's verifier agrees", (t) => {
  for (const kind of ['ed25519', 'p256'] as const) {
    const own = createSigstore({ log2: { kind } });
    const logs = [trustedLog(own.log), trustedLog(own.log2)];
    const root = TrustedRoot.fromJSON(own.trustedRootJson());
    const material = toTrustMaterial(root);
    const agrees = (signed: Signed, holds: boolean): void => {
      const theirs = () =>
        new Verifier(material, { timestampThreshold: 0 }).verify(
          toSignedEntity(bundleFromJSON(bundleOf(signed)), dataOf(signed)),
        );
      const ours = () => verify(signed, {}, { logs });
      t[holds ? 'doesNotThrow' : 'throws'](theirs);
      t[holds ? 'doesNotThrow' : 'throws'](ours);
    };
    const stamped = { timestampAuthorities: [own.timestampAuthority] };
    for (const options of [stamped, { ...own.withLog2, ...stamped }]) {
      const message = own.signMessage(DATA, options);
      agrees(message, true);
      agrees(own.signEnvelope(PAYLOAD, options), true);
      const other = own.signMessage(DATA, { ...options, by: message.verifier });
      agrees({ ...message, entries: other.entries }, false);
    }
  }
  t.end();
});

function dataOf(signed: Signed): Buffer | undefined {
  return signed.kind === 'message' ? signed.data : undefined;
}
