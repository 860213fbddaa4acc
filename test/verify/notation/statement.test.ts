/** Trust policies of Notation's own, asked for one repository. */
import { join } from 'node:path';
import t from 'tap';
import { parseRepository } from '../../../src/oci/reference.ts';
import { parseRequirement } from '../../../src/policy/requirement.ts';
import type { TrustRoot } from '../../../src/trust/trust-root.ts';
import { applyTrustPolicies } from '../../../src/verify/notation/statement.ts';
import { issueNotationAuthority } from '../../helpers/notation/certificate.ts';
import {
  readNotationPolicy,
  STATEMENT,
  writeNotationFolder,
} from '../../helpers/notation/folder.ts';
import { createSigner, rootOf } from '../../helpers/signer.ts';
import { testdir } from '../../helpers/testdir.ts';

const [one, two] = [issueNotationAuthority('one'), issueNotationAuthority('two')];
const POLICY = { notation: { trustRoot: 'corp' } };
const KEY = { key: { trustRoot: 'keys' } };

t.test('a policy stands for the statement of the repository, under the same name', async (t) => {
  const folder = join(testdir(t, {}), 'notation');
  const named = {
    ...STATEMENT,
    name: 'b',
    registryScopes: ['r.example/b'],
    trustStores: ['ca:two'],
  };
  writeNotationFolder(folder, [STATEMENT, named], {
    'ca/vendor/a.pem': one.pem,
    'ca/two/b.pem': two.pem,
  });
  const policy = readNotationPolicy(folder);
  const keys = rootOf('keys', createSigner());
  const trustRoots = new Map<string, TrustRoot>([
    ['corp', policy],
    ['keys', keys],
  ]);
  const requirement = parseRequirement({ anyOf: [{ allOf: [POLICY, KEY] }, POLICY] });
  const under = (path: string) =>
    applyTrustPolicies(requirement, trustRoots, parseRepository('r.example', path));
  const applied = under('b');
  const leaf = { kind: 'notation', trustRoot: 'corp', statement: 'b' };
  t.match(applied.requirement, { of: [{ of: [leaf, { kind: 'key' }] }, leaf] });
  t.match(applied.trustRoots.get('corp'), {
    kind: 'notation',
    name: 'corp',
    ca: [{ subject: /two/ }],
  });
  t.equal(applied.trustRoots.get('keys'), keys);
  t.match(under('a').trustRoots.get('corp'), { ca: [{ subject: /one/ }] });
  t.equal(under('b').trustRoots.get('corp'), applied.trustRoots.get('corp'), 'the same each time');
  t.equal(trustRoots.get('corp'), policy, 'the roots themselves stay');
});

t.test('a requirement without policies is left as it is', async (t) => {
  const requirement = parseRequirement(KEY);
  const trustRoots = new Map<string, TrustRoot>();
  t.strictSame(applyTrustPolicies(requirement, trustRoots, parseRepository('r.example', 'a')), {
    requirement,
    trustRoots,
  });
});
