/** Notation's own folder through the whole program: from the file on the disk to the pull, over a reload. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { PullDecision, PullRequest } from '../../src/http/serving.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { writeFiles } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { issueNotationAuthority, issueSigner } from '../helpers/notation/certificate.ts';
import { skipping, STATEMENT, writeNotationFolder } from '../helpers/notation/folder.ts';
import { putNotation } from '../helpers/notation/manifest.ts';
import { signJws } from '../helpers/notation/signed.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';

const DAY = 86_400_000;
const NOW = Date.now();
const SPAN = { notBefore: NOW - DAY, notAfter: NOW + DAY };
const authority = issueNotationAuthority('root', SPAN);
const signer = issueSigner({ ...SPAN, issuer: authority });
const STORES = { 'ca/vendor/root.pem': authority.pem };
const SKIPPING = [STATEMENT, skipping('lab.local/team/raw')];
const ELSEWHERE = [{ ...STATEMENT, registryScopes: ['lab.local/team/other'] }];

t.test(
  'a trust policy decides, is told of, and is read again with the configuration',
  async (t) => {
    const registry = await openFakeRegistry(t, { referrersApi: true });
    putImage(registry, 'team/raw', 'raw', { tag: 'v1' });
    const { digest, size } = putImage(registry, 'team/app', 'app', { tag: 'v1' });
    const target = { mediaType: OCI_MANIFEST, digest, size };
    const envelope = signJws(signer, target, { signingTime: NOW - 60_000 });
    putNotation(registry, 'team/app', envelope, target);

    const file = writeFiles(t, {
      'countersign.yaml': `
listen: { port: 0 }
admin: { port: 0 }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { corp: { notation: { configDir: ./notation } } }
policies: [{ name: corp, match: lab.local/**, require: { notation: { trustRoot: corp } } }]
`,
    });
    const folder = join(file, '../notation');
    const cwd = join(file, '../work');
    mkdirSync(cwd);
    const load = (statements: readonly object[]) => {
      writeNotationFolder(folder, statements, STORES);
      return loadConfig(file, { env: {}, inspect: inspectRules, cwd });
    };
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const pulls: (PullRequest & PullDecision)[] = [];
    const nothing = (): void => undefined;
    const app = await startApp(load(SKIPPING), {
      logger,
      observer: {
        pull: (request, decision) => pulls.push({ ...request, ...decision }),
        blobServed: nothing,
        digestMismatch: nothing,
        request: nothing,
      },
    });
    const pull = async (name: string): Promise<number> => {
      const { statusCode, body } = await request(
        `${app.url}/v2/lab.local/team/${name}/manifests/v1`,
      );
      await body.dump();
      return statusCode;
    };

    t.strictSame([await pull('app'), await pull('raw')], [200, 200]);
    t.match(pulls, [
      { signers: [/CN=signer/] },
      { signers: [], reasons: [/^accepted without verification: statement "unsigned"/] },
    ]);
    t.match(
      lines.map((line): unknown => JSON.parse(line)),
      [{ trustRoot: 'corp', statement: 'unsigned', registryScopes: ['lab.local/team/raw'] }],
      'at the start, once',
    );

    await app.reload(load([STATEMENT]));
    t.strictSame([await pull('app'), await pull('raw')], [200, 403]);
    t.throws(() => load([skipping('*')]), /not for "\*"/);
    t.equal(await pull('app'), 200, 'a broken folder leaves the running rules');
    await app.reload(load(ELSEWHERE));
    t.strictSame([await pull('app'), await pull('raw')], [403, 403]);
    await app.close();

    // `countersign verify` looks at everything and says the same.
    for (const [statements, expected] of [
      [SKIPPING, ['admitted', 'admitted']],
      [[STATEMENT], ['admitted', 'refused']],
      [ELSEWHERE, ['refused', 'refused']],
    ] as const) {
      const verifier = await openVerifier(load(statements), pino({ level: 'silent' }));
      const outcomes = [];
      for (const name of ['app', 'raw']) {
        const { decision } = await verifier.decide(parseReference(`lab.local/team/${name}:v1`));
        outcomes.push(decision.outcome);
      }
      t.strictSame(outcomes, expected);
      await verifier.close();
    }
  },
);
