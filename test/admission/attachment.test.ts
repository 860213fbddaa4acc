/** What content may pass as attached: text, or a COSE signature; nothing that a runtime could unpack. */
import t from 'tap';
import { inspectAttachment, parseAttachmentTag } from '../../src/admission/attachment.ts';
import { textTar } from '../helpers/archives.ts';

const refused: Readonly<Record<string, Buffer>> = {
  'one control character': Buffer.from('text\u0000text'),
  'an escape character': Buffer.from('text\u001btext'),
  'bytes that are no UTF-8': Buffer.from([0x74, 0xff, 0x74]),
  'half a character': Buffer.from([0x74, 0xc3]),
  'the first bytes of bzip2': Buffer.from('BZh91AY&SY'),
  'a tar that is text': textTar('bin/sh', 'true'),
  nothing: Buffer.alloc(0),
  'a config with an entrypoint': Buffer.from('{"config":{"Entrypoint":["sh"]}}'),
  'a config that only Go reads': Buffer.from('{"Config":{"Cmd":["sh"]}}'),
  'a config in JSON with two readings': Buffer.from(' {"config":{},"config":{"Cmd":["sh"]}}'),
};

for (const [what, bytes] of Object.entries(refused)) {
  t.test(`${what} is not served`, async (t) => {
    t.type(inspectAttachment(bytes), 'string');
  });
}

const served: Readonly<Record<string, Buffer>> = {
  'JSON in any script': Buffer.from('{\r\n\t"имя": "名前 🙂"\r\n}\n'),
  'a long text': Buffer.alloc(100_000, 'text '),
  'the config that cosign writes': Buffer.from('{"os":"","rootfs":{"type":"layers"},"config":{}}'),
  'a COSE signature': Buffer.from([0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26]),
};

for (const [what, bytes] of Object.entries(served)) {
  t.test(`${what} is served`, async (t) => {
    t.equal(inspectAttachment(bytes), undefined);
  });
}

t.test('a tag names what it belongs to only in its exact form', async (t) => {
  const hex = 'ab'.repeat(32);
  for (const suffix of ['', 'sig', 'att', 'sbom']) {
    const tag = `sha256-${hex}${suffix === '' ? '' : `.${suffix}`}`;
    t.strictSame(parseAttachmentTag(tag), { subject: `sha256:${hex}`, suffix });
  }
  t.match(parseAttachmentTag(`sha512-${hex}${hex}.sig`), { subject: `sha512:${hex}${hex}` });
  for (const tag of [
    `sha256-${hex}.`,
    `sha256-${hex}.sign`,
    `sha256-${hex}.SIG`,
    `sha256-${hex.toUpperCase()}.sig`,
    `sha256-${hex}${hex}.sig`,
    `sha512-${hex}.sig`,
    `sha256-${hex.slice(1)}.sig`,
    `sha256:${hex}`,
    `md5-${hex}`,
    `x-sha256-${hex}`,
    'latest',
  ]) {
    t.equal(parseAttachmentTag(tag), undefined, tag);
  }
});
