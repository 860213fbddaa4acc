/** Instances made of PEM files: put into order, or refused with the reason. */
import t from 'tap';
import { assembleAuthorities, type LooseParts } from '../../src/trust/loose-parts.ts';
import { parseCertificates } from '../../src/trust/pem.ts';
import { issueAuthority } from '../helpers/sigstore/certificate.ts';
import { createKey } from '../helpers/sigstore/key.ts';
import { noteKeyId } from '../helpers/sigstore/signed-note.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';

const sigstore = createSigstore();
const { certificateRoot: root, intermediate, log, log2, certificateLog } = sigstore;
const stampers = sigstore.timestampAuthority.chain;
const stranger = issueAuthority({ notBefore: SIGSTORE_TIME - 1, notAfter: SIGSTORE_TIME + 1 });

const pemOf = (list: readonly { readonly pem: string }[]) => list.map(({ pem }) => pem).join('\n');
const assemble = (parts: Partial<LooseParts>) =>
  assembleAuthorities({
    certificateAuthorities: [],
    timestampAuthorities: [],
    transparencyLogs: [],
    certificateLogs: [],
    ...parts,
  });
const ca = (...list: readonly { readonly pem: string }[]) =>
  assemble({ certificateAuthorities: [{ pem: pemOf(list), label: 'ca.pem' }] })
    .certificateAuthorities[0];
const tsa = (...list: readonly { readonly pem: string }[]) =>
  assemble({ timestampAuthorities: [{ pem: pemOf(list), label: 'tsa.pem' }] })
    .timestampAuthorities[0];

t.test('chains are put into order, and valid while all of their certificates are', async (t) => {
  const expected = [intermediate, root].map(({ der }) => der);
  for (const list of [
    [root, intermediate],
    [intermediate, root, root],
  ]) {
    t.same(
      ca(...list)?.chain.map(({ der }) => der),
      expected,
    );
  }
  const chain = ca(root, intermediate)?.chain ?? [];
  t.same(ca(root, intermediate)?.validity, {
    start: Math.max(...chain.map(({ notBefore }) => notBefore)),
    end: Math.min(...chain.map(({ notAfter }) => notAfter)),
  });
  t.equal(ca(root)?.chain.length, 1);
  t.same(
    tsa(...stampers.toReversed())?.chain.map(({ der }) => der),
    stampers.map(({ der }) => der),
  );
  t.equal(tsa(...stampers)?.name, 'tsa.pem');
});

t.test('refuses what is no chain, by the name of the file', async (t) => {
  const wrong: readonly (readonly [RegExp, () => unknown])[] = [
    [/^ca.pem: .*give each authority a file of its own/, () => ca(root, stranger)],
    [/^ca.pem: .*self-signed root/, () => ca(intermediate)],
    [/^ca.pem: .*may sign certificates/, () => ca(...stampers)],
    [/^tsa.pem: .*own certificate of the timestamp authority/, () => tsa(...stampers.slice(1))],
    [/^tsa.pem: .*expected the CA/, () => tsa(...stampers.slice(0, 1))],
    [/^tsa.pem: .*self-signed root/, () => tsa(...stampers.slice(0, 2))],
    [/^tsa.pem: .*own certificate of the timestamp authority/, () => tsa(root)],
    [/at least one authority or log/, () => assemble({})],
  ];
  for (const [message, make] of wrong) t.throws(make, { name: 'SyntaxError', message });
  const part = { pem: root.pem, label: 'ca.pem' };
  t.throws(() => assemble({ certificateAuthorities: Array<typeof part>(65).fill(part) }), {
    message: /at most 64/,
  });
});

t.test('logs have the ids that entries, checkpoints and promises name them by', async (t) => {
  const read = assemble({
    transparencyLogs: [
      { pem: log.key.pem, label: 'rekor.pub', origin: 'https://rekor.test/' },
      { pem: log2.key.pem, label: 'rekor2.pub', origin: log2.origin, validFrom: 5, validUntil: 5 },
    ],
    certificateLogs: [{ pem: certificateLog.key.pem, label: 'ct.pub' }],
  });
  const [first, second] = read.transparencyLogs;
  const validity = { start: 0, end: Infinity };
  const id = log.id.toString('hex');
  t.match(first, { id, checkpointId: id, origin: 'rekor.test', validity });
  const noteId = noteKeyId(log2.origin, 1, log2.key).toString('hex');
  t.match(second, { id: noteId, checkpointId: noteId, validity: { start: 5, end: 5 } });
  t.match(read.certificateLogs[0], { id: certificateLog.id.toString('hex'), origin: 'ct.pub' });
  const given = assemble({
    transparencyLogs: [{ pem: log2.key.pem, label: 'x', origin: log2.origin, id }],
  });
  t.match(given.transparencyLogs[0], { id, checkpointId: noteId });
});

t.test('refuses logs that cannot be told apart or bound to their checkpoints', async (t) => {
  const part = { pem: log.key.pem, label: 'rekor.pub', origin: 'rekor.test' };
  const wrong: readonly (readonly [RegExp, Partial<LooseParts>])[] = [
    [
      /^again.pub: it is the same log as rekor.pub/,
      { transparencyLogs: [part, { ...part, label: 'again.pub' }] },
    ],
    [/same log/, { certificateLogs: [part, part] }],
    [/^rekor.pub: expected the log's origin/, { transparencyLogs: [{ ...part, origin: '' }] }],
    [
      /expected one public key, got 2/,
      { certificateLogs: [{ ...part, pem: part.pem + createKey().pem }] },
    ],
    [/64 lower-case hex/, { transparencyLogs: [{ ...part, id: 'ABC' }] }],
    [/not before the start/, { transparencyLogs: [{ ...part, validFrom: 2, validUntil: 1 }] }],
    [/BEGIN PUBLIC KEY/, { transparencyLogs: [{ ...part, pem: root.pem }] }],
  ];
  for (const [message, parts] of wrong) {
    t.throws(() => assemble(parts), { name: 'SyntaxError', message });
  }
});

t.test('PEM is read block by block, and never quoted', async (t) => {
  t.equal(parseCertificates(`# ours\r\n${pemOf(stampers)}`, 'x').length, 3);
  const wrong: readonly (readonly [RegExp, string])[] = [
    [/found none/, ''],
    [/to be whole/, root.pem.replace(/-----END.*/, '')],
    [/to be whole/, root.pem.replace('\n', '\n!')],
    [/got "BEGIN PUBLIC KEY"/, log.key.pem],
    [/base64 in certificate 1/, root.pem.replace('\n', '\nA')],
    [/^x: certificate 1: /, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    [/at most 64 certificates, got 65/, root.pem.repeat(65)],
    [/at most 1 MiB/, ' '.repeat(1024 * 1024 + 1)],
  ];
  for (const [message, pem] of wrong) {
    t.throws(() => parseCertificates(pem, 'x'), { name: 'SyntaxError', message });
  }
});
