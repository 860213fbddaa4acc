/** `countersign approve` and its kin beside a proxy that runs, on one cache and one registry. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { openApprovalsDesk } from '../../src/app/approvals-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { approvals } from '../../src/cli/approvals.ts';
import { verify } from '../../src/cli/verify.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { fingerprintOf } from '../helpers/approval.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { surroundings } from '../signing/environments.ts';

const TEAM = 'team/app';
const V1 = `lab.local/${TEAM}:v1`;
const DAY = 86_400_000;
const OURS = '{ key: { trustRoot: ours } }';
const BOTH = '{ allOf: [{ key: { trustRoot: vendor } }, { key: { trustRoot: ours } }] }';

async function open(t: Test, { require = OURS, more = '' } = {}) {
  const registry = await openFakeRegistry(t);
  const [vendor, ours, other] = [createSigner(), createSigner(), createSigner()];
  const yaml = (isOffline: boolean) => `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ./cache }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true, default: true, offline: ${isOffline} } }
trustRoots: { vendor: { publicKeys: [./vendor.pub] }, ours: { publicKeys: [./ours.pub] } }
policies:
  - { name: approved, match: lab.local/${TEAM}, require: ${require}, tags: { refresh: 0s }${more} }
  - { name: vendor's, match: lab.local/vendor/**, require: { key: { trustRoot: vendor } } }
`;
  const files = { 'vendor.pub': vendor.publicPem, 'ours.pub': ours.publicPem };
  const load = (isOffline: boolean) =>
    loadText(t, yaml(isOffline), { inspect: inspectRules, cwd: t.testdirName, files });
  // The folder is made anew by each, so both come before the cache.
  const offline = load(true);
  let config = load(false);
  const logger = pino({ level: 'silent' });
  const pem = ({ privateKey }: typeof ours) =>
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const keys = surroundings({ 'ours.key': pem(ours), 'other.key': pem(other) });
  let now = Date.UTC(2026, 5, 1);
  const clock = () => now;
  let agreed: boolean | undefined;

  /** A command, as a process of its own would run it. */
  const run = async (...args: readonly string[]) => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const parts = {
      keys: { openSigner: (name: string) => openSigner(name, keys), confirm: async () => agreed },
      open: () => openApprovalsDesk(config, logger, clock),
    };
    const code = await approvals(args, parts, { out: say, err: say });
    return { code, text: lines.join('\n') };
  };

  return {
    ...{ registry, vendor, ours, other, run },
    approve: (reference: string, ...more: readonly string[]) =>
      run('approve', reference, '--key', 'ours.key', '--yes', ...more),
    put: (name: string, tag = 'v1') => putImage(registry, TEAM, name, { tag }),
    passes: (milliseconds: number) => void (now += milliseconds),
    answers: (answer: boolean | undefined) => void (agreed = answer),
    goOffline: () => void (config = offline),
    cache: join(t.testdirName, 'cache'),
    /** `countersign verify`, which knows this moment alone. */
    verifies: async () => {
      const lines: string[] = [];
      const say = (line: string): void => void lines.push(line);
      const verifier = await openVerifier(config, logger);
      const code = await verify(V1, verifier, { json: false }, { out: say, err: say });
      await verifier.close();
      return { code, text: lines.join('\n') };
    },
    start: async () => {
      const nothing = (): void => undefined;
      const observer = { pull: nothing, blobServed: nothing, digestMismatch: nothing };
      const app = await startApp(config, {
        logger,
        clock,
        observer: { ...observer, request: nothing },
      });
      t.teardown(() => app.close());
      return async (path = 'manifests/v1') => {
        const { statusCode, headers, body } = await request(`${app.url}/v2/${TEAM}/${path}`);
        const text = await body.text();
        return { status: statusCode, digest: headers['docker-content-digest'], text };
      };
    },
  };
}

t.test(
  'what is approved is served from the next request on, and refused after it is revoked',
  async (t) => {
    const { put, start, approve, run } = await open(t);
    const pull = await start();
    const { digest } = put('one');
    t.match(await pull(), { status: 403 });
    const made = await approve(V1, '--note', 'looked at');
    t.match(made, { code: 0, text: `${V1} is ${digest} upstream` });
    t.match(made.text, /one image of \d layers/);
    t.match(made.text, /for good by the key sha256:/);
    t.match(await pull(), { status: 200, digest });
    const { text } = await pull(`referrers/${digest}`);
    t.match(JSON.parse(text), {
      manifests: [
        {
          artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          annotations: {
            'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
          },
        },
      ],
    });
    t.match(
      (await run('approvals', 'list')).text,
      /team\/app:v1 {2}sha256:.*"looked at".*\(in force\)$/,
    );
    t.match(await run('revoke', V1, '--reason', 'a mistake'), {
      code: 0,
      text: /counts no longer/,
    });
    t.match(await pull(), { status: 403 });
    t.match((await run('approvals', 'list')).text, /"a mistake".*\(revoked\)$/);
    t.match(await run('revoke', V1), { code: 1, text: /no approval of/ });
    t.match(await approve(`lab.local/${TEAM}@${digest}`), { code: 0 });
    t.match(await pull(), { status: 200, digest });
  },
);

t.test('an approval ends when it says', async (t) => {
  const { put, start, approve, run, passes } = await open(t);
  const pull = await start();
  put('one');
  t.match(await approve(V1, '--expires', '30d'), {
    code: 0,
    text: /until 2026-07-01T00:00:00\.000Z/,
  });
  t.match(await pull(), { status: 200 });
  passes(30 * DAY - 1);
  t.match(await pull(), { status: 200 });
  passes(1);
  t.match(await pull(), { status: 403, text: /the approval expired at 2026-07-01/ });
  t.match((await run('approvals', 'list', '--json')).text, '"state": "expired"');
  t.match(await approve(V1, '--expires', '2026-07-02'), { code: 0 });
  t.match(await pull(), { status: 200 });
});

t.test('one that ends sooner takes the place of one that ends later, at once', async (t) => {
  const { put, start, approve, passes } = await open(t);
  const pull = await start();
  put('one');
  await approve(V1);
  t.match(await pull(), { status: 200 });
  t.match(await approve(V1, '--expires', '1h'), {
    code: 0,
    text: `it takes the place of the approval of ${V1} for good`,
  });
  t.match(await pull(), { status: 200 });
  passes(3_600_000);
  t.match(await pull(), { status: 403, text: /the approval expired at/ });
});

t.test('one that ends later leaves what was decided, so that nobody need be asked', async (t) => {
  const { put, start, approve, registry, vendor } = await open(t, { require: BOTH });
  const pull = await start();
  const { digest } = put('one');
  cosign2(registry, TEAM, digest, vendor);
  await approve(V1, '--expires', '1h');
  t.match(await pull(), { status: 200 });
  await approve(V1, '--expires', '2h');
  await registry.close();
  t.match(await pull(`manifests/${digest}`), { status: 200 });
});

t.test('beside the signature of a vendor, both have to be there', async (t) => {
  const { put, start, approve, registry, vendor, run } = await open(t, { require: BOTH });
  const pull = await start();
  const { digest } = put('one');
  t.match(await approve(V1), { code: 0 });
  t.match(await pull(), { status: 403 });
  const two = put('two');
  cosign2(registry, TEAM, two.digest, vendor);
  t.match(await pull(), { status: 403 });
  t.match(await approve(V1), { code: 0 });
  t.match(await pull(), { status: 200, digest: two.digest });
  t.match(await run('revoke', V1), {
    code: 0,
    text: new RegExp(`${digest}[^]*${two.digest}|${two.digest}[^]*${digest}`),
  });
  t.match(await pull(), { status: 403 });
});

t.test('an index is approved with what it names, and says so', async (t) => {
  const { start, approve, registry } = await open(t);
  const pull = await start();
  const children = [putImage(registry, TEAM, 'one'), putImage(registry, TEAM, 'two')];
  const index = putIndex(registry, TEAM, children, { tag: 'v1' });
  const made = await approve(V1);
  t.match(made, { code: 0, text: /an index of \d manifests/ });
  t.match(made.text, /approves everything that it names/);
  t.match(await pull(), { status: 200, digest: index.digest });
  t.match(await pull(`manifests/${children[1]?.digest ?? ''}`), { status: 200 });
});

t.test('it works without a proxy, and for a tag of an upstream that nobody may ask', async (t) => {
  const { put, start, approve, goOffline, run } = await open(t);
  const { digest } = put('one');
  t.match(await approve(V1), { code: 0 });
  const pull = await start();
  t.match(await pull(), { status: 200, digest });
  put('two');
  goOffline();
  t.match(await run('revoke', V1), { code: 0 });
  t.match(await approve(V1), { code: 0, text: `${V1} is ${digest} by its pin` });
  t.match(await approve(`lab.local/${TEAM}:v9`), { code: 1, text: /nowhere to be found/ });
});

t.test('it says what the tag means here meanwhile', async (t) => {
  const { put, start, approve } = await open(t);
  const one = put('one');
  await approve(V1);
  const pull = await start();
  await pull();
  const two = put('two');
  const { text } = await approve(V1);
  t.match(text, `is ${two.digest} upstream`);
  t.match(text, `here it means ${one.digest} for the time being`);
});

t.test('nothing is signed that nobody agreed to', async (t) => {
  const { put, run, answers, cache } = await open(t);
  put('one');
  const ask = () => run('approve', V1, '--key', 'ours.key');
  t.match(await ask(), { code: 2, text: /expected --yes/ });
  answers(false);
  t.match(await ask(), { code: 1, text: /nothing was signed/ });
  t.match(await run('approvals', 'list'), { code: 0, text: '' });
  answers(true);
  t.match(await ask(), { code: 0 });
  t.ok(existsSync(cache));
});

t.test('it says where the approval will not count', async (t) => {
  const { put, run, approve, registry } = await open(t);
  put('one');
  t.match(await run('approve', V1, '--key', 'other.key', '--yes'), {
    code: 0,
    text: /no trust root .* has this key/,
  });
  putImage(registry, 'vendor/app', 'theirs', { tag: 'v1' });
  t.match(await approve('lab.local/vendor/app:v1'), {
    code: 0,
    text: /rule "vendor's" does not ask for a key of ours/,
  });
  putImage(registry, 'elsewhere/app', 'theirs', { tag: 'v1' });
  t.match(await approve('lab.local/elsewhere/app:v1'), {
    code: 0,
    text: /no rule governs lab\.local\/elsewhere\/app/,
  });
});

t.test('of several keys one is named', async (t) => {
  const { put, run, approve, ours, other, start } = await open(t);
  const { digest } = put('one');
  await approve(V1);
  await run('approve', V1, '--key', 'other.key', '--yes');
  const pull = await start();
  t.match(await run('revoke', V1), { code: 2, text: /2 keys approved it/ });
  t.match(await pull(), { status: 200 });
  t.match(await run('revoke', V1, '--key-fingerprint', fingerprintOf(other)), { code: 0 });
  t.match(await pull(), { status: 200 });
  t.match(await run('revoke', V1, '--key-fingerprint', fingerprintOf(other)), { code: 1 });
  await run('approve', V1, '--key', 'other.key', '--yes');
  t.match(await run('revoke', V1, '--key-fingerprint', 'all'), { code: 0 });
  t.match(await pull(), { status: 403 });
  t.match(
    await run('revoke', `lab.local/${TEAM}@${digest}`, '--key-fingerprint', fingerprintOf(ours)),
    { code: 0 },
  );
});

t.test('what others published with a revoked key counts no longer either', async (t) => {
  const { put, run, registry, ours, start } = await open(t);
  const { digest } = put('one');
  cosign2(registry, TEAM, digest, ours);
  const pull = await start();
  t.match(await pull(), { status: 200 });
  const name = `lab.local/${TEAM}@${digest}`;
  t.match(await run('revoke', name), { code: 1 });
  t.match(await run('revoke', name, '--key-fingerprint', fingerprintOf(ours)), { code: 0 });
  t.match(await pull(), { status: 403, text: /the operator revoked/ });
  t.match((await run('approvals', 'list')).text, /^lab\.local\/team\/app {2}sha256:.*\(revoked\)$/);
});

t.test('an approval names its image, for rules that bind signatures to names', async (t) => {
  const { put, start, approve, registry } = await open(t, {
    more: ', signatures: { reference: exact }',
  });
  const pull = await start();
  const { digest } = put('one');
  registry.tag(TEAM, 'v2', digest);
  t.match(await approve(V1), { code: 0 });
  t.match(await pull(), { status: 200 });
  t.match(await pull('manifests/v2'), {
    status: 403,
    text: /expected one for lab\.local\/team\/app:v2/,
  });
  const v2 = `lab.local/${TEAM}:v2`;
  t.match(await approve(v2), { code: 0, text: `takes the place of the approval of ${V1}` });
  t.match(await pull('manifests/v2'), { status: 200 });
  t.match(await pull(), { status: 403 }, 'a key says so once of each image');
  const { text } = await approve(v2.replace(':v2', `@${digest}`));
  t.match(text, /binds signatures to the tag, so it counts for no tag/);
});

t.test('countersign verify heeds approvals, and says who gave them until when', async (t) => {
  const { put, approve, run, verifies } = await open(t);
  put('one');
  t.match(await verifies(), { code: 1 });
  await approve(V1, '--expires', '2099-12-31');
  const { code, text } = await verifies();
  t.equal(code, 0);
  t.match(text, /attached here sha256:.*ours\.pub of ours.*good until 2099-12-31T23:59:59\.999Z/s);
  await run('revoke', V1);
  t.match(await verifies(), { code: 1 });
});

t.test('a reason stands until another is given', async (t) => {
  const { put, run, approve } = await open(t);
  const { digest } = put('one');
  const name = `lab.local/${TEAM}@${digest}`;
  await approve(name);
  const { text } = await run('approvals', 'list', '--json');
  const [{ key }] = JSON.parse(text) as [{ key: string }];
  const revoke = (...more: readonly string[]) =>
    run('revoke', name, '--key-fingerprint', key, ...more);
  await revoke('--reason', 'stolen');
  await revoke();
  t.match((await run('approvals', 'list')).text, '"stolen"');
  await revoke('--reason', 'lost');
  t.match((await run('approvals', 'list')).text, '"lost"');
});

t.test('records that cannot be used are told, and are not empty ones', async (t) => {
  const { put, run, approve, cache } = await open(t);
  put('one');
  writeFileSync(cache, 'a file in the place of the folder');
  t.match(await run('approvals', 'list'), { code: 3, text: /cannot use the folder/ });
  t.match(await approve(V1), { code: 3, text: /cannot use the folder/ });
  rmSync(cache);
  mkdirSync(cache);
  writeFileSync(join(cache, 'records.sqlite'), 'no database at all');
  for (const command of [
    ['approvals', 'list'],
    ['revoke', V1],
  ] as const) {
    t.match(await run(...command), { code: 3, text: /approvals, revocations .* lost/ });
  }
});

t.test('the public half of a key is printed for the configuration', async (t) => {
  const { run, ours } = await open(t);
  t.strictSame(await run('approvals', 'public-key', '--key', 'ours.key'), {
    code: 0,
    text: ours.publicPem.trimEnd(),
  });
});

t.test('what makes no sense is a mistake, and an upstream out of reach is none', async (t) => {
  const { run, approve, registry, put } = await open(t);
  const { digest } = put('one');
  for (const [args, message] of [
    [['approvals'], /approvals list or approvals public-key/],
    [['approvals', 'public-key'], /expected --key/],
    [['approve', V1], /expected --key/],
    [['approve', 'nowhere.test/a', '--key', 'ours.key'], /no upstream named nowhere\.test/],
    [['approve', 'UPPER', '--key', 'ours.key'], /repository name/],
    [['approve', V1, '--key', 'absent.key', '--yes'], /no such file/],
    [['approve', V1, '--key', 'ours.key', '--yes', '--expires', 'soon'], /--expires/],
    [['approve', V1, '--key', 'ours.key', '--yes', '--note', 'a\nb'], /one line/],
    [['revoke', V1, '--key-fingerprint', 'x'], /--key-fingerprint/],
    [['revoke', V1, '--reason', 'x'.repeat(1001)], /a reason of at most/],
  ] as const) {
    t.match(await run(...args), { code: 2, text: message }, args.join(' '));
  }
  t.match(await approve(`lab.local/${TEAM}:absent`), { code: 1, text: /nowhere to be found/ });
  await registry.close();
  t.match(await approve(V1), { code: 3, text: /refused/ });
  t.match(await approve(`lab.local/${TEAM}@${digest}`), { code: 3 });
});
