/** Bodies of log entries: bound to signature, content and verifier, one by one, for every kind. */
import { dsse } from '@sigstore/core';
import fc from 'fast-check';
import t from 'tap';
import { parseJson, type JsonObject } from '../../../src/oci/json.ts';
import { requireEntryAbout } from '../../../src/verify/sigstore/entry-body.ts';
import type { LogEntry, SignedMaterial } from '../../../src/verify/sigstore/material.ts';
import type { EntryKind } from '../../helpers/sigstore/entry-body.ts';
import { createKey, sha, toPem } from '../../helpers/sigstore/key.ts';
import { createSigstore } from '../../helpers/sigstore/sigstore.ts';
import type { SignedEnvelope, SignedMessage } from '../../helpers/sigstore/signed.ts';
import { statement } from '../../helpers/signer.ts';
import { entryOf, materialOf, verifierOf } from './logged.ts';

const sigstore = createSigstore();
const leaf = sigstore.leaf();
const key = createKey();
const DATA = Buffer.from('an artifact');
const PAYLOAD = statement([{ digest: { sha256: 'a'.repeat(64) } }]);

type Material = Pick<SignedMaterial, 'signature' | 'content'>;

function signed(kind: EntryKind, by: typeof leaf | typeof key): SignedMessage | SignedEnvelope {
  const logs =
    kind === 'hashedrekord 0.0.2' || kind === 'dsse 0.0.2' ? [sigstore.log2] : [sigstore.log];
  const options = { by, logs, entryKind: kind };
  return kind.startsWith('hashedrekord')
    ? sigstore.signMessage(DATA, options)
    : sigstore.signEnvelope(PAYLOAD, options);
}

const KINDS = [
  'hashedrekord 0.0.1',
  'hashedrekord 0.0.2',
  'dsse 0.0.1',
  'dsse 0.0.2',
  'intoto 0.0.1',
  'intoto 0.0.2',
] as const;

for (const kind of KINDS) {
  for (const by of [leaf, key]) {
    const own = signed(kind, by);
    const material = materialOf(own, true);
    const entry = entryOf(own);
    const verifier = verifierOf(by);

    t.test(
      `${kind} by a ${'key' in by ? 'certificate' : 'key'} is about its own signature`,
      (t) => {
        t.doesNotThrow(() => {
          requireEntryAbout(entry, material, verifier);
        });
        t.end();
      },
    );

    t.test(`${kind} by a ${'key' in by ? 'certificate' : 'key'} is about no other`, (t) => {
      const refuses = (other: Material, as: typeof verifier, message: RegExp) =>
        t.throws(
          () => {
            requireEntryAbout(entry, other, as);
          },
          { name: 'SyntaxError', message },
        );
      if (kind !== 'intoto 0.0.1') {
        const signature = key.sign(DATA);
        refuses({ ...material, signature }, verifier, /about another signature/);
      }
      refuses({ ...material, content: otherContent(material) }, verifier, /about other content/);
      const stranger = 'key' in by ? sigstore.leaf() : createKey();
      refuses(material, verifierOf(stranger), /by another (certificate|key): expected sha256:/);
      const bare = 'key' in by ? by.key : leaf;
      refuses(material, verifierOf(bare), /expected the log entry to name a (key|certificate)/);
      t.end();
    });
  }
}

function otherContent({ content }: Material): SignedMaterial['content'] {
  return content.kind === 'message'
    ? { kind: 'message', data: Buffer.from('another artifact') }
    : { ...content, payload: Buffer.from('another payload'), envelope: Buffer.from('{}') };
}

t.test('a certificate of the same key is another certificate', (t) => {
  const own = sigstore.signMessage(DATA, { by: leaf });
  const twin = sigstore.leaf({ key: leaf.key });
  t.throws(
    () => {
      requireEntryAbout(entryOf(own), materialOf(own), verifierOf(twin));
    },
    {
      message: /by another certificate/,
    },
  );
  t.end();
});

t.test('an entry of a digest alone', (t) => {
  const own = sigstore.signMessage(DATA, { by: key });
  const { signature } = own;
  const about = (digest: SignedMaterial['content'] & { kind: 'message' }) => () => {
    requireEntryAbout(entryOf(own), { signature, content: digest }, verifierOf(key));
  };
  const bytes = sha('sha256', DATA);
  t.doesNotThrow(about({ kind: 'message', digest: { algorithm: 'sha256', bytes } }));
  t.throws(about({ kind: 'message', digest: { algorithm: 'sha256', bytes: Buffer.alloc(32) } }), {
    message: /about other content/,
  });
  t.throws(about({ kind: 'message', digest: { algorithm: 'sha384', bytes } }), {
    message: /expected a sha384 digest in the log entry/,
  });
  t.throws(about({ kind: 'message' }), SyntaxError);
  t.end();
});

t.test('entries of other hashes', (t) => {
  for (const kind of ['p384', 'p521'] as const) {
    const by = createKey(kind);
    for (const options of [{}, { logs: [sigstore.log2] }]) {
      const own = sigstore.signMessage(DATA, { by, ...options });
      t.doesNotThrow(() => {
        requireEntryAbout(entryOf(own), materialOf(own), verifierOf(by));
      });
    }
  }
  t.end();
});

t.test('an envelope in a hashedrekord is hashed as it is signed', (t) => {
  for (const options of [{ entryKind: 'hashedrekord 0.0.1' } as const, sigstore.withLog2]) {
    const own = sigstore.signEnvelope(PAYLOAD, { by: key, ...options });
    const verify = (material: Material) => () => {
      requireEntryAbout(entryOf(own), material, verifierOf(key));
    };
    const material = materialOf(own);
    t.doesNotThrow(verify(material));
    const content = { kind: 'dsse', payloadType: 'text/plain', payload: PAYLOAD } as const;
    t.throws(verify({ ...material, content }), { message: /digest of what is signed differs/ });
    const data = dsse.preAuthEncoding('application/vnd.in-toto+json', PAYLOAD);
    t.throws(verify({ ...material, content: { kind: 'message', data: PAYLOAD } }), SyntaxError);
    // The encoding itself is what is signed, so a message of these bytes is the same claim.
    t.doesNotThrow(verify({ ...material, content: { kind: 'message', data } }));
  }
  t.end();
});

t.test('an entry of an envelope is about no message', (t) => {
  for (const entryKind of ['dsse 0.0.1', 'dsse 0.0.2', 'intoto 0.0.1', 'intoto 0.0.2'] as const) {
    const own = sigstore.signEnvelope(PAYLOAD, { by: key, entryKind });
    const content = { kind: 'message', data: PAYLOAD } as const;
    t.throws(
      () => {
        requireEntryAbout(entryOf(own), { ...materialOf(own), content }, verifierOf(key));
      },
      { message: /about an envelope, not a message/ },
      entryKind,
    );
  }
  t.end();
});

t.test('intoto 0.0.1 holds no signature: the whole envelope must be there', (t) => {
  const own = sigstore.signEnvelope(PAYLOAD, { by: key, entryKind: 'intoto 0.0.1' });
  t.throws(
    () => {
      requireEntryAbout(entryOf(own), materialOf(own), verifierOf(key));
    },
    {
      message: /names no signature, and there is no envelope/,
    },
  );
  const early = sigstore.signEnvelope(PAYLOAD, {
    by: key,
    entryKind: 'intoto 0.0.1',
    body: (body) => ({
      ...body,
      spec: replaced(body.spec, ['content', 'payloadHash'], () => undefined) as object,
    }),
  });
  t.doesNotThrow(() => {
    requireEntryAbout(entryOf(early), materialOf(early, true), verifierOf(key));
  });
  const otherEnvelope = { ...early, envelope: { ...early.envelope, bytes: Buffer.from('{}') } };
  t.throws(
    () => {
      requireEntryAbout(entryOf(early), materialOf(otherEnvelope, true), verifierOf(key));
    },
    { message: /digest of the envelope differs/ },
  );
  t.end();
});

t.test('the envelope of an entry of dsse 0.0.1 is compared where it is there', (t) => {
  const own = sigstore.signEnvelope(PAYLOAD, { by: key, entryKind: 'dsse 0.0.1' });
  const bytes = Buffer.concat([own.envelope.bytes, Buffer.from(' ')]);
  const other = materialOf({ ...own, envelope: { ...own.envelope, bytes } }, true);
  t.throws(
    () => {
      requireEntryAbout(entryOf(own), other, verifierOf(key));
    },
    {
      message: /digest of the envelope differs/,
    },
  );
  t.doesNotThrow(() => {
    requireEntryAbout(entryOf(own), materialOf(own), verifierOf(key));
  });
  t.end();
});

t.test('intoto 0.0.2 names the payload type', (t) => {
  const own = sigstore.signEnvelope(PAYLOAD, { by: key, entryKind: 'intoto 0.0.2' });
  const content = { kind: 'dsse', payloadType: 'text/plain', payload: PAYLOAD } as const;
  t.throws(
    () => {
      requireEntryAbout(entryOf(own), { ...own, content }, verifierOf(key));
    },
    {
      message: /expected payload type "text\/plain" in the log entry/,
    },
  );
  t.end();
});

t.test('a rekord of 2021', (t) => {
  const signature = key.sign(DATA);
  const rekord = (format: string) =>
    bodyOf('rekord', '0.0.1', {
      data: { hash: { algorithm: 'sha256', value: sha('sha256', DATA).toString('hex') } },
      signature: {
        format,
        content: signature.toString('base64'),
        publicKey: { content: Buffer.from(key.pem).toString('base64') },
      },
    });
  const material = { signature, content: { kind: 'message', data: DATA } } as const;
  t.doesNotThrow(() => {
    requireEntryAbout(rekord('x509'), material, verifierOf(key));
  });
  t.throws(
    () => {
      requireEntryAbout(rekord('pgp'), material, verifierOf(key));
    },
    { message: /x509/ },
  );
  t.end();
});

type Path = readonly string[];

/** JSON with the value at a path replaced; `undefined` takes it away. */
function replaced(value: unknown, path: Path, to: (old: unknown) => unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return to(value);
  if (Array.isArray(value)) {
    return value.with(Number(name), replaced(value[Number(name)], rest, to)) as unknown;
  }
  const object = value as JsonObject;
  const { [name]: old, ...others } = object;
  const changed = replaced(old, rest, to);
  return changed === undefined ? others : { ...others, [name]: changed };
}

function changedEntry(entry: LogEntry, path: Path, to: (old: unknown) => unknown): LogEntry {
  const body = JSON.stringify(replaced(parseJson(entry.body), path, to));
  return { ...entry, body: Buffer.from(body) };
}

/** Paths of all objects in it. */
function objectsIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, inner]) =>
    objectsIn(inner, [...path, name]),
  );
  return Array.isArray(value) ? inside : [path, ...inside];
}

function bodyOf(kind: string, version: string, spec: unknown): LogEntry {
  const body = Buffer.from(JSON.stringify({ apiVersion: version, kind, spec }));
  return { logId: '', index: 0n, kind, version, integratedTime: undefined, body };
}

t.test('refuses members that it does not know, wherever they are', (t) => {
  for (const kind of KINDS) {
    const own = signed(kind, key);
    const entry = entryOf(own);
    const paths = objectsIn(parseJson(entry.body));
    t.ok(paths.length > 3);
    for (const path of paths) {
      // The one part that nobody vouches for is left unread.
      if (kind === 'intoto 0.0.2' && path.join('.') === 'spec.content.hash') continue;
      const changed = changedEntry(entry, path, (old) => ({ ...(old as object), other: true }));
      t.throws(
        () => {
          requireEntryAbout(changed, materialOf(own, true), verifierOf(key));
        },
        { name: 'SyntaxError', message: /unexpected member "other"/ },
        `${kind} ${path.join('.')}`,
      );
    }
  }
  t.end();
});

t.test('refuses duplicate members, other kinds, and what is no JSON', (t) => {
  const own = sigstore.signMessage(DATA, { by: key });
  const entry = entryOf(own);
  const text = entry.body.toString();
  const refuses = (change: Partial<LogEntry>, message: RegExp) =>
    t.throws(
      () => {
        requireEntryAbout({ ...entry, ...change }, materialOf(own), verifierOf(key));
      },
      {
        name: 'SyntaxError',
        message,
      },
    );
  const twice = text.replace('"signature":{', '"signature":{"content":"AAAA",');
  refuses({ body: Buffer.from(twice) }, /duplicate member "content"/);
  refuses({ body: Buffer.from('no JSON') }, /expected JSON/);
  refuses({ body: Buffer.from('[]') }, /expected the body to be an object/);
  refuses({ body: Buffer.alloc(2_000_000, ' ') }, /at most/);
  refuses({ kind: 'dsse' }, /the body is not of kind dsse 0.0.1/);
  refuses({ version: '0.0.2' }, /the body is not of kind hashedrekord 0.0.2/);
  refuses({ kind: 'jar' }, /entry of a known kind, got "jar 0.0.1"/);
  refuses({ kind: 'hashedrekord 0.0.1', version: '' }, /known kind/);
  refuses({ kind: 'constructor', version: '' }, /known kind/);
  t.end();
});

t.test('refuses malformed hashes, signatures and verifiers', (t) => {
  const twice = (old: unknown) => [...(old as unknown[]), ...(old as unknown[])];
  const by = 'spec.hashedRekordV002.signature.verifier';
  const certificate = { rawBytes: leaf.der.toString('base64') };
  const cases: readonly (readonly [EntryKind, string, unknown, RegExp])[] = [
    ['hashedrekord 0.0.1', 'spec.data.hash.algorithm', 'sha1', /sha256, sha384 or sha512/],
    ['hashedrekord 0.0.1', 'spec.data.hash.algorithm', 'SHA2_256', /sha256, sha384 or sha512/],
    ['hashedrekord 0.0.1', 'spec.data.hash.algorithm', 'sha512', /64 bytes, got 32/],
    ['hashedrekord 0.0.1', 'spec.data.hash.value', 'zz'.repeat(32), /hexadecimal/],
    ['hashedrekord 0.0.1', 'spec.data.hash.value', 'abc', /hexadecimal/],
    ['hashedrekord 0.0.1', 'spec.data.hash.value', '', /hexadecimal/],
    ['hashedrekord 0.0.1', 'spec.data', [], /to be an object/],
    ['hashedrekord 0.0.1', 'spec.signature.content', 'A', /the signature in the body/],
    ['hashedrekord 0.0.1', 'spec.signature.publicKey', null, /to be an object/],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.data.algorithm', 'sha256', /SHA2_256, SHA2_384/],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.data.algorithm', 1, /SHA2_256, SHA2_384/],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.data.algorithm', 'SHA2_384', /48 bytes, got 32/],
    ['hashedrekord 0.0.2', `${by}.x509Certificate`, certificate, /either a public key or/],
    ['hashedrekord 0.0.2', `${by}.publicKey`, undefined, /either a public key or/],
    ['hashedrekord 0.0.2', `${by}.publicKey.rawBytes`, 'AAAA', /cannot be read/],
    ['dsse 0.0.1', 'spec.signatures', twice, /exactly one element/],
    ['dsse 0.0.1', 'spec.signatures', [], /exactly one element/],
    ['dsse 0.0.1', 'spec.signatures', {}, /exactly one element/],
    ['dsse 0.0.2', 'spec.dsseV002.signatures', twice, /exactly one element/],
    ['intoto 0.0.2', 'spec.content.envelope.signatures', twice, /exactly one element/],
    ['intoto 0.0.2', 'spec.content.envelope.payloadType', undefined, /a payload type/],
  ];
  for (const [kind, path, to, message] of cases) {
    const own = signed(kind, key);
    const changed = changedEntry(entryOf(own), path.split('.'), (old) =>
      to === twice ? twice(old) : to,
    );
    t.throws(
      () => {
        requireEntryAbout(changed, materialOf(own, true), verifierOf(key));
      },
      { name: 'SyntaxError', message },
      `${kind} ${path}`,
    );
  }
  t.end();
});

t.test('reads PEM of one certificate or key, and nothing else', (t) => {
  const own = sigstore.signMessage(DATA, { by: key });
  const withPem = (pem: string) => {
    const path = ['spec', 'signature', 'publicKey', 'content'];
    const changed = changedEntry(entryOf(own), path, () => Buffer.from(pem).toString('base64'));
    return () => {
      requireEntryAbout(changed, materialOf(own), verifierOf(key));
    };
  };
  t.doesNotThrow(withPem(key.pem));
  t.doesNotThrow(withPem(`\n${key.pem.replaceAll('\n', '\r\n')}\n\n`));
  for (const pem of [
    '',
    'no PEM',
    key.pem + key.pem,
    leaf.pem + key.pem,
    key.pem.replace('END PUBLIC', 'END'),
    key.pem.replaceAll('PUBLIC KEY', 'PRIVATE KEY'),
    key.pem.replaceAll('PUBLIC KEY', 'RSA PUBLIC KEY'),
    `text before\n${key.pem}`,
    toPem('PUBLIC KEY', Buffer.alloc(0)),
    toPem('PUBLIC KEY', Buffer.alloc(91)),
    toPem('CERTIFICATE', key.spki),
    key.pem.replace('=', ''),
  ]) {
    t.throws(withPem(pem), SyntaxError, pem.slice(0, 60));
  }
  t.end();
});

t.test('throws SyntaxError and nothing else', (t) => {
  const leaves = fc.oneof(fc.string(), fc.integer(), fc.constantFrom(null, [], {}, true, 'sha256'));
  for (const kind of KINDS) {
    const own = signed(kind, key);
    const text = entryOf(own).body.toString();
    const tokens: readonly string[] = text.match(/"[^"]*"|[{}[\],:]/g) ?? [];
    const { kind: name, version } = entryOf(own);
    const attempt = (body: Buffer): boolean => {
      try {
        const entry = { ...bodyOf(name, version, {}), body };
        requireEntryAbout(entry, materialOf(own, true), verifierOf(key));
        return true;
      } catch (error) {
        return error instanceof SyntaxError;
      }
    };
    const swapped = fc
      .tuple(fc.nat(tokens.length - 1), leaves)
      .map(([at, value]) => tokens.with(at, JSON.stringify(value)).join(''));
    fc.assert(
      fc.property(fc.oneof(swapped, fc.json()), (changed) => attempt(Buffer.from(changed))),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 40 },
    );
  }
  t.end();
});
