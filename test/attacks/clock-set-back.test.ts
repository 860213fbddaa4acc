/**
 * A machine's clock is set back: by hand, by a restored snapshot, by whoever answers its NTP requests. What was asked an
 * hour ago was then asked in the future, and "younger than five minutes" holds for as long as the clock was moved.
 *
 * Nothing gets younger for ever: what was written in the future is asked about again, and waits from now on.
 */
import t from 'tap';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const { refresh, maxStale } = TAG_RULE;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const COOLDOWN = 72 * HOUR;

t.test('a pin of the future is no fresh pin: the move of a tag is seen', async (t) => {
  const { proxy, signed, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  await get('manifests/v1');
  const two = signed('two', { tag: 'v1' });
  proxy.now -= YEAR;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], two.digest);
  proxy.now += refresh - 1;
  const three = signed('three', { tag: 'v1' });
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], two.digest, 'fresh again');
  proxy.now += 1;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], three.digest);
});

t.test('nor does it stand in for an upstream that is away', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  await get('manifests/v1');
  await registry.close();
  proxy.now += maxStale - 1;
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now -= YEAR;
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
});

/** A tag with a pin, that moved to an image which was seen and has to wait. */
async function waiting(lab: Lab) {
  const good = lab.signed('good', { tag: 'v1' });
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED', 'too young as well');
  lab.proxy.now += COOLDOWN;
  t.equal(told(await lab.get('manifests/v1')), '200');
  const next = lab.signed('next', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.match((await lab.get('manifests/v1')).headers['warning'], /held/);
  return { good, next };
}

t.test('a cooldown is not cut short, and does not last for ever', async (t) => {
  const lab = await openLab(t, { rule: { ...SIGNED, tags: { cooldown: COOLDOWN } } });
  const { proxy, get } = lab;
  const { good, next } = await waiting(lab);
  const digest = async () => (await get('manifests/v1')).headers['docker-content-digest'];
  proxy.now += COOLDOWN - HOUR;
  t.equal(await digest(), good.digest);
  proxy.now -= YEAR;
  t.equal(await digest(), good.digest, 'it waits from now on');
  proxy.now += COOLDOWN - 1;
  t.equal(await digest(), good.digest);
  proxy.now += refresh;
  t.equal(await digest(), next.digest);
});

t.test('a rollback stays one', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const old = signed('old', { tag: 'v1' });
  await get('manifests/v1');
  const good = signed('good', { tag: 'v1' });
  proxy.now += refresh;
  await get('manifests/v1');
  registry.tag(TEAM, 'v1', old.digest);
  proxy.now -= YEAR;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], good.digest);
  t.match(answer.headers['warning'], /rollback/);
});
