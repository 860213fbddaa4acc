/**
 * The image of last year was signed by the right key, and has a hole that everybody knows by now. Its signature is as
 * good as ever, and none that cosign or Notation make names a tag: whoever controls the registry puts the tag back to it,
 * and every verifier that looks at signatures alone says yes.
 *
 * A tag remembers what it left, and when what it has was signed.
 */
import t from 'tap';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';
import {
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { about, bundle, openKeyless } from './keyless.ts';
import { jws, openNotation } from './notation.ts';

const { refresh } = TAG_RULE;
const DAY = 86_400_000;

/** A tag that had the vulnerable image and has the mended one. */
async function mended({ proxy, signed, get }: Lab) {
  const vulnerable = signed('vulnerable', { tag: 'v1' });
  await get('manifests/v1');
  const good = signed('mended', { tag: 'v1' });
  proxy.now += refresh;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], good.digest);
  return { vulnerable, good };
}

t.test('a tag put back to what it left is held, with a warning', async (t) => {
  const lab = await openLab(t);
  const { registry, proxy, get, head } = lab;
  const { vulnerable, good } = await mended(lab);
  registry.tag(TEAM, 'v1', vulnerable.digest);
  proxy.now += refresh;
  for (const answer of [await get('manifests/v1'), await head('manifests/v1')]) {
    t.equal(answer.headers['docker-content-digest'], good.digest);
    t.match(answer.headers['warning'], /held: .*the tag left it on 2026-01-01T00:01:00Z/);
  }
  t.match(proxy.moves.at(-1), { outcome: 'held', why: 'rollback' });
  const newer = lab.signed('newer', { tag: 'v1' });
  proxy.now += refresh;
  t.equal(
    (await get('manifests/v1')).headers['docker-content-digest'],
    newer.digest,
    'forward goes',
  );
});

t.test('a tag put back is refused where the rule says so, until it is put right', async (t) => {
  const lab = await openLab(t, { rule: { ...SIGNED, tags: { onRollback: 'refuse' } } });
  const { registry, proxy, get } = lab;
  const { vulnerable, good } = await mended(lab);
  registry.tag(TEAM, 'v1', vulnerable.digest);
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, `allow-rollback lab.local/${TEAM}:v1 ${vulnerable.digest}`);
  registry.tag(TEAM, 'v1', good.digest);
  proxy.now += 5_001;
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a restart, and a tag that was deleted in between, forget nothing', async (t) => {
  const lab = await openLab(t);
  const { registry, proxy, get } = lab;
  const { vulnerable, good } = await mended(lab);
  registry.deleteTag(TEAM, 'v1');
  proxy.now += refresh;
  t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  const { now, path } = proxy;
  await proxy.close();
  const upstreams = { 'lab.local': registry };
  const again = await openLab(t, { upstreams, path, trustRoots: lab.trustRoots });
  again.proxy.now = now;
  registry.tag(TEAM, 'v1', vulnerable.digest);
  t.equal(told(await again.get('manifests/v1')), '403 DENIED');
  registry.tag(TEAM, 'v1', good.digest);
  again.proxy.now += 5_001;
  t.equal(
    told(await again.get('manifests/v1')),
    '200',
    'what it had when it was deleted is no rollback',
  );
});

t.test('an older image that the tag never had is known by the time of its signature', async (t) => {
  let time = SIGSTORE_TIME - 30 * DAY;
  const sigstore = createSigstore({ clock: () => time });
  const { registry, proxy, put, get } = await openKeyless(t, { sigstore });
  const sign = (name: string, at: number) => {
    time = at;
    return put(
      name,
      bundle((image) => sigstore.signEnvelope(about(image), sigstore.withLog2)),
    );
  };
  const old = sign('old', SIGSTORE_TIME - 30 * DAY);
  const current = sign('current', SIGSTORE_TIME - 20 * DAY);
  const next = sign('next', SIGSTORE_TIME - 10 * DAY);
  const digest = async () => (await get('manifests/v1')).headers['docker-content-digest'];
  registry.tag(TEAM, 'v1', current.digest);
  t.equal(await digest(), current.digest);
  registry.tag(TEAM, 'v1', old.digest);
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], current.digest);
  t.match(answer.headers['warning'], /it was signed on 2026-01-30.*before what the tag has/);
  registry.tag(TEAM, 'v1', next.digest);
  proxy.now += refresh;
  t.equal(await digest(), next.digest);
});

t.test('nor does it become newer when the tag is deleted in between', async (t) => {
  let time = SIGSTORE_TIME - 30 * DAY;
  const sigstore = createSigstore({ clock: () => time });
  const { registry, proxy, put, get } = await openKeyless(t, { sigstore });
  const sign = (name: string) =>
    put(
      name,
      bundle((image) => sigstore.signEnvelope(about(image), sigstore.withLog2)),
    );
  const old = sign('old');
  time += DAY;
  const current = sign('current');
  registry.tag(TEAM, 'v1', current.digest);
  t.equal(told(await get('manifests/v1')), '200');
  registry.deleteTag(TEAM, 'v1');
  proxy.now += refresh;
  t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  registry.tag(TEAM, 'v1', old.digest);
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /signed on 2026-01-30/);
});

t.test('nor does a new signature of a stranger beside the old image', async (t) => {
  const span = { notBefore: NOTATION_TIME - 100 * DAY, notAfter: NOTATION_TIME + 100 * DAY };
  const ca = issueNotationAuthority('root', span);
  const vendor = issueSigner({ issuer: ca, ...span });
  const stranger = issueSigner({ issuer: issueNotationAuthority('another', span), ...span });
  const root = rootOfStores({ ca: [ca] });
  const { registry, proxy, put, pull, get } = await openNotation(t, { root });
  const old = put(
    jws(stranger, { signingTime: NOTATION_TIME + DAY }),
    jws(vendor, { signingTime: NOTATION_TIME - 50 * DAY }),
  );
  const current = put(jws(vendor));
  t.equal(await pull(old), '200', 'it is as good as ever');
  registry.tag(TEAM, 'v1', current.digest);
  await get('manifests/v1');
  registry.tag(TEAM, 'v1', old.digest);
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], current.digest);
  t.match(answer.headers['warning'], /it was signed on .*, before what the tag has/);
});

t.test('where a rule allows it, a tag goes back', async (t) => {
  const lab = await openLab(t, { rule: { ...SIGNED, tags: { onRollback: 'allow' } } });
  const { vulnerable } = await mended(lab);
  lab.registry.tag(TEAM, 'v1', vulnerable.digest);
  lab.proxy.now += refresh;
  const { headers } = await lab.get('manifests/v1');
  t.equal(headers['docker-content-digest'], vulnerable.digest);
});
