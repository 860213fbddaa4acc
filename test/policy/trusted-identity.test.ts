/** Trusted identities: everybody only where that is written, else exactly the named subject. */
import t from 'tap';
import type { NotationSubject } from '../../src/policy/notation-facts.ts';
import {
  matchesTrustedIdentity,
  parseTrustedIdentities,
  parseTrustedIdentity,
} from '../../src/policy/trusted-identity.ts';

const subject = (...rdns: readonly Readonly<Record<string, string>>[]): NotationSubject =>
  rdns.map((rdn) => Object.entries(rdn).map(([type, value]) => ({ type, value })));
const VENDOR = subject({ C: 'DE' }, { ST: 'BY' }, { O: 'Vendor' }, { CN: 'release' });
const matches = (identity: string, of: NotationSubject): boolean =>
  matchesTrustedIdentity(parseTrustedIdentity(identity), of);

t.test('a subject has every attribute of the identity, to the letter', (t) => {
  t.ok(matches('x509.subject: C=DE, ST=BY, O=Vendor', VENDOR), 'further attributes do not matter');
  t.ok(matches('x509.subject:CN=release,O=Vendor,S=BY,C=DE', VENDOR), 'in any order');
  t.notOk(matches('x509.subject: C=DE, ST=BY, O=vendor', VENDOR), 'case counts');
  t.notOk(matches('x509.subject: C=DE, ST=BY, O=Vendo', VENDOR), 'a part is not enough');
  t.notOk(matches('x509.subject: C=DE, ST=BY, O=Vendor, OU=Security', VENDOR), 'one is missing');
  t.notOk(matches('x509.subject: C=DE, ST=BY, O=Vendor', subject()), 'nobody at all');
  t.end();
});

t.test('a subject of which an attribute could be read two ways is nobody', (t) => {
  const identity = 'x509.subject: C=DE, ST=BY, O=Vendor';
  const twice = subject({ C: 'DE' }, { ST: 'BY' }, { O: 'Vendor' }, { O: 'Evil' });
  t.notOk(matches(identity, twice), 'the organization twice');
  t.notOk(matches(identity, twice.toReversed()), 'in whatever order');
  t.notOk(
    matches(identity, subject({ C: 'DE' }, { ST: 'BY' }, { O: 'Vendor', CN: 'x' })),
    'the organization is not alone in its RDN',
  );
  t.notOk(
    matches(identity, [
      [{ type: 'C', value: 'DE' }],
      [{ type: 'ST', value: 'BY' }],
      [{ type: 'O', value: 'Vendor' }],
      [{ type: '2.5.4.10', value: 'Evil' }],
    ]),
    'the OID of a type is no other type',
  );
  t.ok(
    matches(
      identity,
      subject({ DC: 'a' }, { DC: 'b' }, { C: 'DE' }, { ST: 'BY' }, { O: 'Vendor' }),
    ),
    'an attribute that nobody asks for may come twice',
  );
  t.end();
});

t.test('types match by their meaning, not by their spelling', (t) => {
  const dotted: NotationSubject = [
    [{ type: '2.5.4.6', value: 'DE' }],
    [{ type: 'S', value: 'BY' }],
    [{ type: 'o', value: 'Vendor' }],
    [{ type: '1.2.840.113549.1.9.1', value: 'a@b.example' }],
  ];
  t.ok(matches('x509.subject: C=DE, ST=BY, O=Vendor, emailAddress=a@b.example', dotted));
  t.notOk(matches('x509.subject: C=DE, ST=BY, O=Vendor, E=c@b.example', dotted));
  t.end();
});

t.test('everybody is meant only by an asterisk alone', (t) => {
  t.ok(matches('*', VENDOR));
  t.ok(matches('*', subject()));
  t.throws(() => parseTrustedIdentity(''), /expected "\*" or/);
  t.throws(() => parseTrustedIdentity('**'), /expected "\*" or/);
  t.throws(() => parseTrustedIdentity(' *'), /expected "\*" or/);
  t.throws(() => parseTrustedIdentity('x509.subject'), /expected "\*" or/);
  t.throws(() => parseTrustedIdentity(':a'), /expected "\*" or/);
  t.throws(() => parseTrustedIdentity('x509.subject:'), /expected TYPE=value/);
  t.throws(() => parseTrustedIdentity('x509.subject: *'), /expected TYPE=value/);
  t.throws(() => parseTrustedIdentity(`a:${'b'.repeat(5000)}`), SyntaxError);
  t.end();
});

t.test('an identity that only a plugin understands is nobody', (t) => {
  const foreign = parseTrustedIdentity('arn:aws:signer:us-west-2:1:/signing-profiles/p');
  t.equal(foreign.kind, 'foreign');
  t.notOk(matchesTrustedIdentity(foreign, VENDOR));
  t.equal(parseTrustedIdentity('X509.subject: C=DE').kind, 'foreign', 'the kind has a case');
  t.end();
});

t.test('a list has at least one identity, and none that overlap', (t) => {
  const base = 'x509.subject: C=DE, ST=BY, O=Vendor';
  const list = (...texts: string[]): number => parseTrustedIdentities(texts).length;
  t.equal(list('*'), 1);
  t.equal(list(base, 'x509.subject: C=DE, ST=BY, O=Other'), 2);
  t.equal(list(`${base}, OU=a`, `${base}, OU=b`), 2);
  t.throws(() => list(), /at least one/);
  t.throws(() => list('*', base), /"\*" to be the only/);
  t.throws(() => list(base, '*'), /"\*" to be the only/);
  t.throws(() => list(base, base), /overlap/);
  t.throws(() => list(base, `${base}, OU=a`), /overlap/, 'one is a part of the other');
  t.throws(() => list(`${base}, OU=a`, base), /overlap/);
  t.throws(
    () => list(`${base}, OU=a`, `${base}, CN=b`),
    /overlap/,
    'a subject with both attributes would be of both',
  );
  t.throws(() => list(base, 'x509.subject: S=BY, O=Vendor, C=DE'), /overlap/, 'by meaning');
  t.throws(() => list('arn:a', 'arn:a'), /overlap/);
  t.equal(list('arn:a', base), 2);
  t.throws(() => list(...Array.from({ length: 257 }, (_, index) => `a:${index}`)), /at most 256/);
  t.end();
});
