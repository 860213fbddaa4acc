/** A trust root's id names its keys and nothing else. */
import t from 'tap';
import { publicKeysRoot } from '../../src/trust/trust-root.ts';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import { createSigner } from '../helpers/signer.ts';

const [one, two, three] = ['p256', 'ed25519', 'p384'] as const;
const keysOf = (...kinds: ('p256' | 'ed25519' | 'p384')[]) =>
  kinds.flatMap((kind) => parsePublicKeys(createSigner(kind).publicPem, kind));

t.test('the id does not depend on order, name, labels or repetition', (t) => {
  const keys = keysOf(one, two, three);
  const { id } = publicKeysRoot('release', keys);
  t.match(id, /^[0-9a-f]{64}$/);
  t.equal(publicKeysRoot('release', keys.toReversed()).id, id);
  t.equal(publicKeysRoot('another', keys).id, id);
  t.equal(publicKeysRoot('release', [...keys, ...keys]).id, id);
  t.equal(
    publicKeysRoot(
      'release',
      keys.map((key) => ({ ...key, label: 'x' })),
    ).id,
    id,
  );
  t.end();
});

t.test('the id changes with the keys', (t) => {
  const keys = keysOf(one, two, three);
  const ids = [
    keys,
    keys.slice(1),
    keys.slice(0, 2),
    [...keys, ...keysOf(one)],
    [],
    keysOf(one, two, three),
  ].map((some) => publicKeysRoot('release', some).id);
  t.equal(new Set(ids).size, ids.length);
  t.end();
});

t.test('a key given twice is one key', (t) => {
  const keys = keysOf(one, two);
  t.equal(publicKeysRoot('release', [...keys, ...keys]).keys.length, 2);
  t.end();
});
