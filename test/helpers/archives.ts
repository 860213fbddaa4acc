/** File systems in the shapes that container runtimes unpack, whatever a manifest calls them. */
import { gzipSync, zstdCompressSync } from 'node:zlib';

const BLOCK = 512;

/** Fields of a header, each filled to its end: neither NUL nor anything else that is no text. */
function header(name: string, size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(BLOCK, fill);
  bytes.write(name, 0, 'latin1');
  bytes.write('0000755 0000000 0000000 ', 100);
  bytes.write(`${size.toString(8).padStart(11, '0')} 00000000000 `, 124);
  bytes.write('        0', 148);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}  `, 148);
  return bytes;
}

/** One file in a tar archive of the usual kind. */
export function tar(name: string, content: string): Buffer {
  const size = Buffer.byteLength(content);
  const end = Buffer.alloc(2 * BLOCK);
  return Buffer.concat([header(name, size, 0), Buffer.alloc(BLOCK, content), end]);
}

/**
 * One file in a tar archive that is text from its first byte to its last: the oldest format has no magic, its numbers
 * may end in spaces, a name of 100 characters needs no end, and an archive may simply stop.
 * @param name of even length, without a slash at its start.
 */
export function textTar(name: string, content: string): Buffer {
  const body = content.padEnd(BLOCK, '\n');
  return Buffer.concat([header(name.padStart(100, './'), body.length, 0x20), Buffer.from(body)]);
}

const SCRIPT = '#!/bin/sh\necho unverified\n';

/** `Hello`, compressed by bzip2, the one compression whose first bytes are text. */
const BZIP2 = Buffer.from('QlpoOTFBWSZTWdhyLy8AAAA=', 'base64');

export const ARCHIVES: Readonly<Record<string, Buffer>> = {
  tar: tar('bin/sh', SCRIPT),
  'tar of the oldest format, which is all text': textTar('bin/sh', SCRIPT),
  'tar whose first name begins like a COSE signature': tar('\xd2\x84bin/sh', SCRIPT),
  'gzipped tar': gzipSync(tar('bin/sh', SCRIPT)),
  'gzipped text tar': gzipSync(textTar('bin/sh', SCRIPT)),
  'zstd tar': zstdCompressSync(tar('bin/sh', SCRIPT)),
  'zstd tar behind a skippable frame': Buffer.concat([
    Buffer.from('502a4d1804000000', 'hex'),
    Buffer.from('text'),
    zstdCompressSync(tar('bin/sh', SCRIPT)),
  ]),
  'xz stream': Buffer.from('fd377a585a000004e6d6b446', 'hex'),
  'bzip2 stream': BZIP2,
};
