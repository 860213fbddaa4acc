/**
 * A workflow's certificate says more than who: from which repository, at which ref, on whose machine. A verifier took
 * the demand for such extensions and dropped it silently, so that the subject alone decided. Each extension that can be
 * demanded has to deny on its own, when it is something else and when it is missing.
 */
import t from 'tap';
import { EXTENSION_NAMES } from '../../src/policy/certificate-extension.ts';
import * as der from '../helpers/sigstore/der.ts';
import { EXTENSION_OIDS, LEGACY_OIDS, type LeafOptions } from '../helpers/sigstore/leaf.ts';
import { about, bundle, IDENTITY, openKeyless } from './keyless.ts';

const DEPLOYMENT = { deploymentEnvironment: '1.3.6.1.4.1.57264.1.23' };
const SOMEONE_ELSE = /^403 DENIED .*signed by someone else/;

/** Says of everything that it is meant, and of `name` the other value, or nothing. */
function leafWith(name?: string, value?: string): LeafOptions {
  const valuesOf = (oids: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.keys(oids)
        .filter((each) => each !== 'issuer' && (each !== name || value !== undefined))
        .map((each) => [each, each === name ? (value ?? '') : `the ${each}`]),
    );
  return {
    extensions: valuesOf(EXTENSION_OIDS),
    legacyExtensions: valuesOf(LEGACY_OIDS),
    more: Object.entries(valuesOf(DEPLOYMENT)).map(([each, text]) => ({
      oid: DEPLOYMENT[each as keyof typeof DEPLOYMENT],
      value: der.utf8(text),
    })),
  };
}

const demands: Readonly<Record<string, (name: string) => string | { readonly pattern: string }>> = {
  'exact words': (name) => `the ${name}`,
  patterns: (name) => ({ pattern: `the ${name}` }),
};
for (const [how, demand] of Object.entries(demands)) {
  t.test(`every extension that can be demanded denies, by ${how}`, async (t) => {
    const extensions = Object.fromEntries(EXTENSION_NAMES.map((name) => [name, demand(name)]));
    const spec = { identities: [{ ...IDENTITY, extensions }] };
    const { sigstore, put, pull } = await openKeyless(t, { spec });
    const by = (leaf: LeafOptions) =>
      bundle((image) => sigstore.signEnvelope(about(image), { by: sigstore.leaf(leaf) }));
    t.equal(await pull(put('good', by(leafWith()))), '200');
    t.match(await pull(put('nothing said', by({}))), SOMEONE_ELSE);
    for (const [place, name] of EXTENSION_NAMES.entries()) {
      const values = { another: 'another', more: `the ${name} `, empty: '', missing: undefined };
      for (const [index, [what, value]] of Object.entries(values).entries()) {
        // Patterns fit as words do, which a test of their own shows: each name meets one value in turn.
        if (how === 'patterns' && index !== place % 4) continue;
        const answer = await pull(put(`${name}, ${what}`, by(leafWith(name, value))));
        t.match(answer, SOMEONE_ELSE, `${name}, ${what}`);
      }
    }
  });
}
