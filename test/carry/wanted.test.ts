import t from 'tap';
import { chooseChildren, isOfPlatform, matchingTags, parseWanted } from '../../src/carry/wanted.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';

t.test('references and patterns as people write them', async (t) => {
  const read = (text: string) => parseWanted(text, undefined, { registry: 'docker.io' });
  const alpine = { registry: 'docker.io', path: 'library/alpine' };
  t.match(read('alpine'), { reference: { repository: alpine, tag: 'latest' } });
  t.match(read('alpine:3.*'), { repository: alpine, pattern: '3.*' });
  t.match(read('localhost:5000/a:*'), { repository: { registry: 'localhost:5000', path: 'a' } });
  const digest = digestOf(Buffer.from('x'));
  t.match(read(`alpine:3@${digest}`), { reference: { repository: alpine, digest } });
  for (const text of ['a*/b', `a:*@${digest}`, 'a:*/b', 'A:*', 'a:*?', ':*']) {
    t.throws(() => read(text), SyntaxError, text);
  }
});

t.test('patterns mean tags of images, in the order of people', async (t) => {
  const tags = ['v10', 'v9', 'v9', 'w', `sha256-${'0'.repeat(64)}.sig`, `sha256-${'0'.repeat(64)}`];
  t.strictSame(matchingTags('*', tags), ['v9', 'v10', 'w']);
  t.strictSame(matchingTags('v*0', tags), ['v10']);
});

t.test('platforms mean their variants too, and what the index says about them', async (t) => {
  t.ok(isOfPlatform('linux/arm64/v8', 'linux/arm64'));
  t.notOk(isOfPlatform('linux/arm64', 'linux/arm'));
  t.notOk(isOfPlatform('linux/arm/v6', 'linux/arm/v7'));
  const child = (name: string, platform?: string, about?: string): Descriptor => ({
    ...{ mediaType: 'x/y', digest: digestOf(Buffer.from(name)), size: 1 },
    ...(platform === undefined ? {} : { platform }),
    ...(about === undefined
      ? {}
      : { annotations: { 'vnd.docker.reference.digest': digestOf(Buffer.from(about)) } }),
  });
  const [a, b] = [child('a', 'linux/amd64'), child('b', 'linux/arm64/v8')];
  const [aboutA, aboutB] = ['a', 'b'].map((of) => child(`about ${of}`, 'unknown/unknown', of));
  const all = [a, b, aboutA, aboutB].filter((one) => one !== undefined);
  t.strictSame(chooseChildren(all, ['linux/arm64']), [b, aboutB]);
  t.strictSame(chooseChildren(all, undefined), all);
});
