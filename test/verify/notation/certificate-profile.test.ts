/** What is asked of every chain, whoever is trusted: the certificates of signers, authorities and timestamp authorities. */
import t from 'tap';
import {
  requireSigningChain,
  requireTimestampingChain,
} from '../../../src/verify/notation/certificate-profile.ts';
import type { Extension, Issued } from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import {
  basicConstraints,
  chainOf,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  KEY_USAGE,
  keyUsage,
  PURPOSES,
  read,
  withSha1,
  type KeyUsageName,
  type SignerOptions,
} from '../../helpers/notation/certificate.ts';
import { refuses } from './target.ts';

const root = issueNotationAuthority('root');
const intermediate = issueNotationAuthority('intermediate', { issuer: root });

const chain = (...certificates: readonly Issued[]) => certificates.map(read);
const signing = (extensions: readonly Extension[], options: SignerOptions = {}): void => {
  requireSigningChain(
    chain(...chainOf(issueSigner({ issuer: intermediate, ...options, extensions }))),
  );
};
const stamping = (extensions: readonly Extension[], options: SignerOptions = {}): void => {
  requireTimestampingChain(
    chain(...chainOf(issueSigner({ issuer: intermediate, ...options, extensions }))),
  );
};

const signs = keyUsage(['digitalSignature']);
const stamps = extendedKeyUsage([PURPOSES.timeStamping], true);
/** The same extension, but not critical. */
const loose = (extension: Extension): Extension => ({ ...extension, critical: false });
const unknownCritical: Extension = {
  oid: '1.3.6.1.4.1.57264.99.1',
  critical: true,
  value: der.utf8('what nobody knows'),
};

t.test('a signer may say more than it has to', async (t) => {
  const allowed: readonly (readonly Extension[])[] = [
    [signs],
    [keyUsage(['digitalSignature', 'nonRepudiation'])],
    [signs, extendedKeyUsage([PURPOSES.codeSigning])],
    [signs, extendedKeyUsage([PURPOSES.codeSigning, '1.3.6.1.4.1.311.10.3.13'], true)],
    [signs, extendedKeyUsage(['1.3.6.1.4.1.311.10.3.13'])],
    [signs, basicConstraints(false)],
    [signs, basicConstraints(false, false)],
    // "For rest of the extensions, implementations MUST fail open."
    [signs, unknownCritical],
  ];
  for (const extensions of allowed) {
    t.doesNotThrow(() => {
      signing(extensions);
    });
  }
});

const forbidden = (Object.keys(KEY_USAGE) as KeyUsageName[]).filter(
  (name) => name !== 'digitalSignature' && name !== 'nonRepudiation',
);

const leafFlaws: readonly (readonly [
  what: string,
  extensions: readonly Extension[],
  message: RegExp,
])[] = [
  ['nothing about its key', [], /CN=signer has to say its key usage/],
  ['no digital signatures', [keyUsage(['nonRepudiation'])], /has to be for digital signatures/],
  ['that it is an authority', [signs, basicConstraints(true)], /is of an authority/],
  ['so loosely', [signs, basicConstraints(true, false)], /is of an authority/],
  ...forbidden.map(
    (name) =>
      [name, [keyUsage(['digitalSignature', name])], new RegExp(`key usage ${name}`)] as const,
  ),
];
for (const [what, extensions, message] of leafFlaws) {
  t.test(`no signer’s certificate says ${what}`, async (t) => {
    refuses(
      t,
      () => {
        signing(extensions);
      },
      message,
    );
  });
  t.test(`no timestamp authority’s certificate says ${what}`, async (t) => {
    refuses(
      t,
      () => {
        stamping([...extensions, stamps]);
      },
      message,
    );
  });
}

t.test('the key usage of a signer is critical', async (t) => {
  refuses(
    t,
    () => {
      signing([loose(signs)]);
    },
    /CN=signer has to have keyUsage as critical/,
  );
});

for (const name of [
  'any',
  'serverAuth',
  'clientAuth',
  'emailProtection',
  'timeStamping',
  'ocspSigning',
] as const) {
  t.test(`a signer’s key is not for ${name}, whatever else it is for`, async (t) => {
    for (const purposes of [[PURPOSES[name]], [PURPOSES.codeSigning, PURPOSES[name]]]) {
      refuses(
        t,
        () => {
          signing([signs, extendedKeyUsage(purposes)]);
        },
        /is for \w+, which no signer's may be/,
      );
    }
  });
}

t.test('a timestamp authority’s key is for timestamps alone, and critically', async (t) => {
  stamping([signs, stamps]);
  stamping([loose(signs), stamps]);
  for (const [extension, message] of [
    [loose(stamps), /has to have extendedKeyUsage as critical/],
    [extendedKeyUsage([PURPOSES.codeSigning], true), /for timestamps and nothing else/],
    [extendedKeyUsage([PURPOSES.timeStamping, PURPOSES.codeSigning], true), /nothing else/],
    [extendedKeyUsage([PURPOSES.any], true), /nothing else/],
  ] as const) {
    refuses(
      t,
      () => {
        stamping([signs, extension]);
      },
      message,
    );
  }
  refuses(
    t,
    () => {
      stamping([signs]);
    },
    /for timestamps and nothing else/,
  );
  refuses(
    t,
    () => {
      stamping([signs, stamps], { key: 'ed25519' });
    },
    /key of no size that is used/,
  );
});

const caFlaws: readonly (readonly [
  what: string,
  extensions: readonly Extension[],
  message: RegExp,
])[] = [
  ['has no basicConstraints', [keyUsage(['keyCertSign'])], /is of no authority/],
  ['is no authority', [basicConstraints(false), keyUsage(['keyCertSign'])], /is of no authority/],
  [
    'says loosely that it is an authority',
    [basicConstraints(true, false), keyUsage(['keyCertSign'])],
    /has to have basicConstraints as critical/,
  ],
  ['has no keyUsage', [basicConstraints(true)], /has to say its key usage/],
  [
    'may sign no certificates',
    [basicConstraints(true), keyUsage(['digitalSignature', 'cRLSign'])],
    /may not sign certificates/,
  ],
];
const flawed = (
  extensions: readonly Extension[],
  place: 'root' | 'intermediate',
  leaf: readonly Extension[],
): readonly Issued[] => {
  const top = issueNotationAuthority('root', place === 'root' ? { extensions } : {});
  const middle = issueNotationAuthority('intermediate', {
    issuer: top,
    ...(place === 'intermediate' ? { extensions } : {}),
  });
  return chainOf(issueSigner({ issuer: middle, extensions: leaf }));
};
for (const place of ['root', 'intermediate'] as const) {
  for (const [what, extensions, message] of caFlaws) {
    t.test(`nobody is issued by an ${place} that ${what}`, async (t) => {
      refuses(
        t,
        () => {
          requireSigningChain(chain(...flawed(extensions, place, [signs])));
        },
        message,
      );
      refuses(
        t,
        () => {
          requireTimestampingChain(chain(...flawed(extensions, place, [signs, stamps])));
        },
        message,
      );
    });
  }
  t.test(`the key usage of an ${place} is critical for signers`, async (t) => {
    const extensions = [basicConstraints(true), keyUsage(['keyCertSign'], false)];
    refuses(
      t,
      () => {
        requireSigningChain(chain(...flawed(extensions, place, [signs])));
      },
      /has to have keyUsage as critical/,
    );
    requireTimestampingChain(chain(...flawed(extensions, place, [signs, stamps])));
  });
}

t.test('a path length counts the authorities below', async (t) => {
  const under = (maxPathLength: number, count: number): readonly Issued[] => {
    let issuer = issueNotationAuthority('root', { maxPathLength });
    for (let below = 0; below < count; below++) {
      issuer = issueNotationAuthority(`intermediate ${below}`, { issuer });
    }
    return chainOf(issueSigner({ issuer }));
  };
  requireSigningChain(chain(...under(0, 0)));
  requireSigningChain(chain(...under(2, 2)));
  refuses(
    t,
    () => {
      requireSigningChain(chain(...under(0, 1)));
    },
    /CN=root allows 0 authorities below it, got 1/,
  );
  refuses(
    t,
    () => {
      requireSigningChain(chain(...under(1, 2)));
    },
    /CN=root allows 1 authorities below it, got 2/,
  );
});

t.test('no link of the chain is signed with SHA-1', async (t) => {
  const leaf = issueSigner({ issuer: intermediate });
  requireSigningChain(chain(leaf, intermediate, root));
  const links: readonly (readonly Issued[])[] = [
    [withSha1(leaf), intermediate, root],
    [leaf, withSha1(intermediate), root],
    [leaf, intermediate, withSha1(root)],
    [withSha1(issueSigner())],
  ];
  for (const certificates of links) {
    refuses(
      t,
      () => {
        requireSigningChain(chain(...certificates));
      },
      /is not signed by the next with an algorithm that is accepted/,
    );
  }
});

t.test('the next issued it, by name and by key', async (t) => {
  const namesake = issueNotationAuthority('root');
  const leaf = issueSigner({ issuer: root });
  requireSigningChain(chain(leaf, root));
  refuses(
    t,
    () => {
      requireSigningChain(chain(leaf, namesake));
    },
    /is not signed by the next/,
  );
  const renamed = issueNotationAuthority('another', { key: root.key });
  refuses(
    t,
    () => {
      requireSigningChain(chain(leaf, renamed));
    },
    /is not issued by the next/,
  );
});

t.test('no certificate comes along that does not belong', async (t) => {
  const leaf = issueSigner({ issuer: root });
  refuses(
    t,
    () => {
      requireSigningChain(chain(leaf, root, root));
    },
    /CN=root is self-signed and not the last/,
  );
  refuses(
    t,
    () => {
      requireSigningChain(chain(issueSigner(), root));
    },
    /CN=signer is not issued by the next/,
  );
  // Signed by itself and named as its own issuer, while another of its name and key follows.
  const alone = issueSigner();
  const again = issueSigner({ key: alone.key, extensions: [basicConstraints(true), signs] });
  refuses(
    t,
    () => {
      requireSigningChain(chain(alone, again));
    },
    /CN=signer is self-signed and not the last/,
  );
});

t.test('a validity need not lie in the issuer’s', async () => {
  const leaf = issueSigner({ issuer: root, notBefore: 0, notAfter: Date.UTC(2049, 1) });
  requireSigningChain(chain(leaf, root));
});
