/** `verify-bundle`: the client protocol of the public conformance suite, on its own cases. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { verifyBundle } from '../../src/cli/verify-bundle.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { needsVectors, vectorPath } from '../verify/vectors.ts';
import { testdir } from '../helpers/testdir.ts';

const FAMILY = 'sigstore-conformance';
const IDENTITY =
  'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main';
const ISSUER = 'https://token.actions.githubusercontent.com';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[]): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await verifyBundle(args, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined);

/** The command line of a case, as the suite's own client builds it. */
function argsOf(folder: string, artifact?: string): string[] {
  const file = (name: string) => join(folder, name);
  const key = existsSync(file('key.pub'))
    ? ['--key', file('key.pub')]
    : [
        '--certificate-identity',
        textOf(file('identity')) ?? IDENTITY,
        '--certificate-oidc-issuer',
        textOf(file('issuer')) ?? ISSUER,
      ];
  const root = existsSync(file('trusted_root.json'))
    ? ['--trusted-root', file('trusted_root.json')]
    : [];
  const own = existsSync(file('artifact')) ? file('artifact') : join(folder, '..', 'a.txt');
  return ['--bundle', file('bundle.sigstore.json'), ...key, ...root, artifact ?? own];
}

function casesOf(): readonly string[] {
  return readdirSync(vectorPath(FAMILY), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

t.test('every case of the suite has its expected answer', needsVectors, async (t) => {
  const cases = casesOf();
  t.ok(cases.length > 30, `${cases.length} cases`);
  for (const name of cases) {
    const { code, out, err } = await run(argsOf(vectorPath(FAMILY, name)));
    t.equal(code, name.endsWith('_fail') ? 1 : 0, `${name}: ${out}${err}`);
    t.match(`${out}${err}`, /^(?:valid|not valid): [^\n]+$/, 'one sentence');
  }
});

t.test('a digest answers as the file does', needsVectors, async (t) => {
  for (const name of casesOf()) {
    const args = argsOf(vectorPath(FAMILY, name));
    const digest = digestOf(readFileSync(args.at(-1) ?? ''));
    const { code, err } = await run([...args.slice(0, -1), digest]);
    t.equal(code, name.endsWith('_fail') ? 1 : 0, `${name}: ${err}`);
  }
});

t.test(
  'whoever signed, another artifact, identity, issuer or key is refused',
  needsVectors,
  async (t) => {
    const folder = vectorPath(FAMILY, 'happy-path-v0.1');
    const other = join(testdir(t, { 'other.txt': 'another artifact' }), 'other.txt');
    t.match(await run(argsOf(folder, other)), { code: 1, err: /another artifact/ });
    const args = argsOf(folder);
    const changed = (option: string, value: string) =>
      args.map((arg, index) => (args[index - 1] === option ? value : arg));
    t.match(await run(changed('--certificate-identity', `${IDENTITY}x`)), {
      code: 1,
      err: /beacon/,
    });
    t.match(await run(changed('--certificate-identity', '.*')), { code: 1 });
    t.match(await run(changed('--certificate-oidc-issuer', 'https://issuer.test')), { code: 1 });
    const managed = argsOf(vectorPath(FAMILY, 'managed-key-and-trusted-root'));
    const wrong = managed.map((arg, index) =>
      managed[index - 1] === '--key' ? vectorPath('signed', 'cosign3.pub') : arg,
    );
    t.match(await run(wrong), { code: 1, err: /none of the trusted keys/ });
  },
);

t.test('the log of a key is asked for', needsVectors, async (t) => {
  const managed = argsOf(vectorPath(FAMILY, 'managed-key-and-trusted-root'));
  const [, file = ''] = managed;
  const bundle = JSON.parse(readFileSync(file, 'utf8')) as {
    verificationMaterial: { tlogEntries: unknown[] };
  };
  bundle.verificationMaterial.tlogEntries = [];
  const stripped = join(testdir(t), 'stripped.json');
  writeFileSync(stripped, JSON.stringify(bundle));
  t.match(await run(managed.map((arg) => (arg === file ? stripped : arg))), {
    code: 1,
    err: /log/,
  });
});

t.test('a real attestation about an image', needsVectors, async (t) => {
  const file = vectorPath('cosign', 'oci-attestation.sigstore.json');
  const envelope = JSON.parse(readFileSync(file, 'utf8')) as { dsseEnvelope: { payload: string } };
  const statement = JSON.parse(Buffer.from(envelope.dsseEnvelope.payload, 'base64').toString()) as {
    subject: [{ digest: { sha256: string } }];
  };
  const subject = `sha256:${statement.subject[0].digest.sha256}`;
  const args = ['--trusted-root', vectorPath('cosign', 'trusted_root_pgi.json'), '--bundle', file];
  const who = (identity: string, issuer: string) => [
    '--certificate-identity',
    identity,
    '--certificate-oidc-issuer',
    issuer,
  ];
  const issuer = 'https://github.com/login/oauth';
  t.match(await run([...args, ...who('nobody', issuer), subject]), {
    code: 1,
    err: /found cody@soyland\.com \(issuer https:\/\/github\.com\/login\/oauth.*expected nobody/,
  });
  const right = [...args, ...who('cody@soyland.com', issuer)];
  t.match(await run([...right, subject]), { code: 0, out: /^valid: / });
  t.match(await run([...right, `sha256:${'0'.repeat(64)}`]), { code: 1, err: /another artifact/ });
});

t.test('a command line that makes no sense is told so, whatever is in it', async (t) => {
  const folder = testdir(t, { 'bundle.json': '{}', 'a.txt': 'a', 'junk.json': 'junk' });
  const bundle = ['--bundle', join(folder, 'bundle.json')];
  const who = ['--certificate-identity', 'x', '--certificate-oidc-issuer', 'https://issuer.test'];
  const file = join(folder, 'a.txt');
  const wrong: readonly (readonly string[])[] = [
    [],
    [...bundle, ...who],
    [...who, file],
    [...bundle, file],
    [...bundle, '--certificate-identity', 'x', file],
    [...bundle, '--certificate-identity', '', '--certificate-oidc-issuer', '', file],
    [...bundle, ...who, file, file],
    [...bundle, ...who, '--key', file, file],
    [...bundle, '--key', join(folder, 'absent.pub'), file],
    [...bundle, ...who, '--verify-at', 'noon', file],
    [...bundle, ...who, '--staging', file],
    [...bundle, ...who, '--unknown', file],
    [...bundle, ...who, join(folder, 'absent')],
    ['--bundle', join(folder, 'absent'), ...who, file],
  ];
  for (const args of wrong) {
    t.match(await run(args), { code: 2, out: '', err: /usage: / }, args.join(' '));
  }
  for (const args of [
    [...bundle, ...who, file],
    [...bundle, '--key', file, file],
    [...bundle, ...who, '--trusted-root', join(folder, 'junk.json'), file],
  ]) {
    t.match(await run(args), { code: 1, out: '', err: /^not valid: [^\n]+$/ }, args.join(' '));
  }
});

function main(args: readonly string[]): Promise<number> {
  const entry = join(import.meta.dirname, '../../src/main.ts');
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [entry, ...args]);
    child.on('exit', (code) => {
      resolve(code ?? -1);
    });
  });
}

t.test('the process ends with the same codes', needsVectors, async (t: Test) => {
  const good = argsOf(vectorPath(FAMILY, 'happy-path-v0.3-new-mediaType'));
  t.equal(await main(['verify-bundle', ...good]), 0);
  const bad = argsOf(vectorPath(FAMILY, 'signature-mismatch_fail'));
  t.equal(await main(['verify-bundle', ...bad.slice(-1), ...bad.slice(0, -1)]), 1);
});
