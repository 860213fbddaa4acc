/** Notation signatures as a whole: what is proven of an honest one, and that no defect of either envelope passes. */
import t, { type Test } from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { NotationFacts } from '../../../src/policy/notation-facts.ts';
import {
  checkNotation,
  type NotationContext,
} from '../../../src/verify/notation/check-signature.ts';
import type { RevocationAnswer } from '../../../src/verify/notation/revocation/revocation.ts';
import type { Target } from '../../../src/verify/notation/target.ts';
import {
  basicConstraints,
  DAY,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  rootOfStores,
} from '../../helpers/notation/certificate.ts';
import { createSigningKey } from '../../helpers/notation/key.ts';
import { payloadOf, signCose, signJws, type SignOptions } from '../../helpers/notation/signed.ts';
import { caExtensions } from '../../helpers/sigstore/certificate.ts';
import { lists, responders } from './revocation/made-revocation.ts';

const target: Target = {
  mediaType: OCI_MANIFEST,
  digest: digestOf(Buffer.from('an image')),
  size: 8,
};
const other = digestOf(Buffer.from('another image'));

const authority = issueNotationAuthority('root');
const intermediate = issueNotationAuthority('intermediate', { issuer: authority });
const signer = issueSigner({ issuer: intermediate });
const root = rootOfStores({ ca: [authority] });
const AUTHORITY = 'notary.x509.signingAuthority';

interface Kind {
  readonly kind: 'jws' | 'cose';
  readonly mediaType: string;
  readonly sign: (by: typeof signer, of: Target, options?: SignOptions) => Buffer;
}
const kinds: readonly Kind[] = [
  { kind: 'jws', mediaType: 'application/jose+json', sign: signJws },
  { kind: 'cose', mediaType: 'application/cose', sign: signCose },
];

for (const { kind, mediaType, sign } of kinds) {
  const checked = (
    bytes: Buffer,
    context: Partial<NotationContext> = {},
    trusted = root,
    of: Target = target,
  ): Promise<NotationFacts> =>
    checkNotation({ mediaType, bytes }, of, trusted, { now: NOTATION_TIME, ...context });
  const refuses = (t: Test, bytes: Buffer, message: RegExp, of: Target = target) =>
    t.rejects(checked(bytes, {}, root, of), { name: 'SyntaxError', message });

  t.test(`${kind}: says everything that is proven of a signature`, async (t) => {
    const annotations = Object.fromEntries([
      ['build', '7'],
      ['__proto__', 'x'],
    ]);
    const facts = await checked(sign(signer, target, { annotations }));
    t.strictSame(facts, {
      envelope: kind,
      scheme: 'notary.x509',
      subject: [
        [{ type: 'C', value: 'DE' }],
        [{ type: 'ST', value: 'BY' }],
        [{ type: 'O', value: 'Vendor' }],
        [{ type: 'CN', value: 'signer' }],
      ],
      subjectText: 'C=DE, ST=BY, O=Vendor, CN=signer',
      fingerprint: digestOf(signer.der),
      keyFingerprint: digestOf(signer.key.spki),
      signingTime: NOTATION_TIME,
      annotations: new Map(Object.entries(annotations)),
      authenticity: { ok: true, trustedBy: digestOf(authority.der) },
      timestamp: { always: { ok: true }, afterCertExpiry: { ok: true } },
      expiry: { ok: true },
      revocation: 'not-checked',
      until: NOTATION_TIME + DAY + 1,
    });
  });

  t.test(`${kind}: a self-signed signer is its own root`, async (t) => {
    const alone = issueSigner();
    const facts = await checked(sign(alone, target), {}, rootOfStores({ ca: [alone] }));
    t.match(facts.authenticity, { ok: true, trustedBy: digestOf(alone.der) });
  });

  t.test(`${kind}: the payload is about this image by digest, size and media type`, async (t) => {
    await refuses(
      t,
      sign(signer, { ...target, digest: other }),
      /it signs sha256:.*, not this image/,
    );
    await refuses(t, sign(signer, { ...target, size: 9 }), /it signs 9 bytes, this image has 8/);
    await refuses(t, sign(signer, { ...target, mediaType: OCI_INDEX }), /it signs a .*index/);
    await refuses(t, sign(signer, target), /not this image/, { ...target, digest: other });
  });

  t.test(`${kind}: a payload has one reading`, async (t) => {
    const artifact = JSON.stringify(target);
    const payloads: readonly (readonly [payload: string, message: RegExp])[] = [
      [`{"targetArtifact":${artifact},"targetArtifact":${artifact}}`, /duplicate member/],
      [`{"targetArtifact":${artifact},"TargetArtifact":${artifact}}`, /ambiguous/],
      [`{"TARGETARTIFACT":${artifact}}`, /ambiguous/],
      [`{"targetArtifact":${artifact.replace('"size"', '"Size":8,"size"')}}`, /ambiguous/],
      [`{}`, /descriptor/],
      [`[]`, /expected the payload to be an object/],
      [``, /JSON|payload/],
      [`{"targetArtifact":${artifact}} x`, /JSON/],
      [`{"targetArtifact":{"mediaType":"a/b","size":8}}`, /digest/],
      [`{"targetArtifact":${artifact.replace('}', ',"annotations":{"a":1}}')}}`, /annotation/],
    ];
    for (const [payload, message] of payloads) {
      await refuses(t, sign(signer, target, { payload: Buffer.from(payload) }), message);
    }
    await refuses(
      t,
      sign(signer, target, { payload: payloadOf(target), contentType: 'application/json' }),
      /expected content type/,
    );
  });

  t.test(`${kind}: a signature by another key does not hold`, async (t) => {
    const signWith = createSigningKey();
    await refuses(t, sign(signer, target, { signWith }), /signature of the envelope does not hold/);
  });

  t.test(`${kind}: a changed signature does not hold`, async (t) => {
    for (const change of [
      (signature: Buffer) => signature.subarray(1),
      (signature: Buffer) => Buffer.concat([signature, Buffer.from([0])]),
      (signature: Buffer) => Buffer.alloc(signature.length),
      () => Buffer.from([0]),
    ]) {
      const key = signer.key;
      const signWith = {
        ...key,
        signEnvelope: (data: Uint8Array) => change(key.signEnvelope(data)),
      };
      await refuses(t, sign(signer, target, { signWith }), /signature of the envelope does not/);
    }
  });

  t.test(`${kind}: trust is a certificate of the store, byte for byte`, async (t) => {
    const bytes = sign(signer, target);
    for (const trusted of [authority, intermediate]) {
      const { authenticity } = await checked(bytes, {}, rootOfStores({ ca: [trusted] }));
      t.strictSame(authenticity, { ok: true, trustedBy: digestOf(trusted.der) });
    }
    // The same name and the same key are not the same certificate.
    const again = issueNotationAuthority('root', { key: authority.key });
    const { authenticity } = await checked(bytes, {}, rootOfStores({ ca: [again] }));
    t.match(authenticity, { ok: false, reason: /O=Vendor, CN=root, is in the ca store of vendor/ });
    t.notOk('trustedBy' in authenticity);
  });

  t.test(`${kind}: each scheme has its own store`, async (t) => {
    const plain = sign(signer, target);
    const byAuthority = sign(signer, target, { scheme: AUTHORITY });
    const ca = rootOfStores({ ca: [authority] });
    const signingAuthority = rootOfStores({ signingAuthority: [authority] });
    t.match(await checked(plain, {}, ca), { authenticity: { ok: true } });
    t.match(await checked(byAuthority, {}, signingAuthority), {
      scheme: AUTHORITY,
      authenticity: { ok: true },
    });
    // Whoever got a certificate from a CA could say it is a signing authority (signing-scheme.md FAQ).
    t.match(await checked(byAuthority, {}, ca), {
      authenticity: { ok: false, reason: /signingAuthority store/ },
    });
    t.match(await checked(plain, {}, signingAuthority), {
      authenticity: { ok: false, reason: /the ca store/ },
    });
    const stamper = rootOfStores({ ca: [issueSigner()], tsa: [authority] });
    t.match(await checked(plain, {}, stamper), { authenticity: { ok: false } });
  });

  t.test(`${kind}: expired is what has reached its expiry`, async (t) => {
    const expiry = NOTATION_TIME + 60_000;
    const bytes = sign(signer, target, { expiry });
    t.match(await checked(bytes), { expiry: { ok: true }, until: expiry });
    t.match(await checked(bytes, { now: expiry - 1 }), { expiry: { ok: true }, until: expiry });
    t.match(await checked(bytes, { now: expiry }), {
      expiry: { ok: false, reason: 'it expired at 2026-05-01T12:01:00.000Z' },
      until: NOTATION_TIME + DAY + 1,
    });
    await refuses(t, sign(signer, target, { expiry: NOTATION_TIME }), /expire after it was made/);
  });

  t.test(`${kind}: revocation is asked of chains that lead to a trusted certificate`, async (t) => {
    const asked: (readonly [subjects: readonly string[], purpose: string, now: number])[] = [];
    const answering =
      (answer: RevocationAnswer): NonNullable<NotationContext['revocation']> =>
      async (chain, purpose, now) => {
        asked.push([chain.map(({ subject }) => subject), purpose, now]);
        return answer;
      };
    const bytes = sign(signer, target);
    const until = NOTATION_TIME + 5000;
    const good = answering({ state: 'good', reason: 'OCSP', until });
    t.match(await checked(bytes, { revocation: good }), { revocation: { ok: true }, until });
    t.strictSame(asked, [
      [
        ['C=DE, ST=BY, O=Vendor, CN=signer', 'O=Vendor, CN=intermediate', 'O=Vendor, CN=root'],
        'signing',
        NOTATION_TIME,
      ],
    ]);
    for (const state of ['revoked', 'unknown'] as const) {
      const answer = answering({ state, reason: `it is ${state}`, until: 1 });
      const facts = await checked(bytes, { revocation: answer });
      t.strictSame(facts.revocation, { ok: false, reason: `it is ${state}` });
      t.equal(facts.until, NOTATION_TIME + DAY + 1);
    }
    asked.length = 0;
    const stranger = rootOfStores({ ca: [issueSigner()] });
    const places = [lists('http://crl.example/a'), responders('http://ocsp.example')];
    for (const place of [...places, { ...lists(), value: Buffer.from('no list') }]) {
      const extensions = [keyUsage(['digitalSignature']), place];
      const naming = sign(issueSigner({ issuer: intermediate, extensions }), target);
      t.match(await checked(naming, { revocation: good }, stranger), {
        authenticity: { ok: false },
        revocation: 'not-checked',
      });
    }
    t.strictSame(asked, [], 'nobody is asked for a stranger');
    t.match(await checked(bytes, { revocation: good }, stranger), {
      authenticity: { ok: false },
      revocation: { ok: true },
    });
    t.strictSame(asked, [], 'nor are lists read for one whose certificates name nobody');
  });

  t.test(`${kind}: nobody is asked about what is above the trusted certificates`, async (t) => {
    // Whoever has the signature can put other certificates above: the chain is not signed along.
    const above = issueNotationAuthority('above');
    const copied = issueNotationAuthority('root', {
      key: authority.key,
      issuer: above,
      extensions: [...caExtensions(), responders('http://evil.example')],
    });
    const asked: (readonly string[])[] = [];
    const revocation: NonNullable<NotationContext['revocation']> = async (chain) => {
      asked.push(chain.map(({ subject }) => subject));
      return { state: 'good', reason: 'OCSP' };
    };
    const chain = [signer, intermediate, copied, above].map(({ der }) => der);
    const bytes = sign(signer, target, { chain });
    const root = rootOfStores({ ca: [intermediate] });
    t.match(await checked(bytes, { revocation }, root), { authenticity: { ok: true } });
    const names = ['C=DE, ST=BY, O=Vendor, CN=signer', 'O=Vendor, CN=intermediate'];
    t.strictSame(asked, [[...names, 'O=Vendor, CN=root']], 'the copy only stands for the issuer');
  });

  t.test(`${kind}: the chain has to be complete, in order, and without strangers`, async (t) => {
    const ders = [signer, intermediate, authority].map(({ der }) => der) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    const [leaf, middle, top] = ders;
    const chains: readonly (readonly [what: string, chain: readonly Buffer[], message: RegExp])[] =
      [
        ['no certificate', [], /1 to 8 certificates/],
        ['no root', [leaf, middle], /CN=intermediate is no root/],
        ['the leaf alone', [leaf], /CN=signer is no root/],
        ['no intermediate', [leaf, top], /CN=signer is not issued by the next/],
        ['root and intermediate swapped', [leaf, top, middle], /is not issued by the next/],
        ['the leaf last', [top, middle, leaf], /O=Vendor, CN=root is not issued by the next/],
        ['the root twice', [leaf, middle, top, top], /self-signed and not the last/],
        ['another root after it', [leaf, middle, top, issueSigner().der], /CN=root is not issued/],
        ['nine certificates', Array.from({ length: 9 }, () => leaf), /1 to 8|at most 8/],
        ['no certificate at all', [Buffer.from('certificate')], /./],
      ];
    for (const [what, chain, message] of chains) {
      await t.test(what, (t) => refuses(t, sign(signer, target, { chain }), message));
    }
  });

  t.test(`${kind}: the store trusts no chain that breaks the profile`, async (t) => {
    // An authority signs something else than certificates; that it is in the store changes nothing.
    const asLeaf = issueSigner({ extensions: [...authorityExtensions()] });
    const trusted = rootOfStores({ ca: [asLeaf] });
    await t.rejects(checked(sign(asLeaf, target), {}, trusted), {
      name: 'SyntaxError',
      message: /is of an authority/,
    });
  });

  t.test(`${kind}: an envelope has a bound and one of two types`, async (t) => {
    await refuses(t, Buffer.alloc(1024 * 1024 + 1), /at most 1048576 bytes/);
    const bytes = sign(signer, target);
    await t.rejects(
      checkNotation({ mediaType: 'application/json', bytes }, target, root, { now: 0 }),
      { name: 'SyntaxError', message: /expected application\/jose\+json or application\/cose/ },
    );
  });
}

function authorityExtensions() {
  return [basicConstraints(true), keyUsage(['digitalSignature', 'keyCertSign'])];
}

t.test('an envelope of one kind is none of the other', async (t) => {
  for (const [mediaType, bytes] of [
    ['application/cose', signJws(signer, target)],
    ['application/jose+json', signCose(signer, target)],
  ] as const) {
    await t.rejects(checkNotation({ mediaType, bytes }, target, root, { now: NOTATION_TIME }), {
      name: 'SyntaxError',
    });
  }
});
