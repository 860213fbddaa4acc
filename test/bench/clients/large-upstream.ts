/** A registry in a process of its own with one signed image, whose only layer is made of one block over and over. */
import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseDigest } from '../../../src/oci/digest.ts';
import { createFakeContent } from '../../helpers/fake-registry-content.ts';
import { send } from '../../helpers/fake-registry-reply.ts';
import { answer } from '../../helpers/fake-registry-routes.ts';
import { cosign2, createSigner } from '../../helpers/signer.ts';

/** The one line it prints, as JSON. */
export interface LargeUpstream {
  readonly port: number;
  readonly publicPem: string;
}

const BLOCK = Buffer.alloc(2 ** 20, 'a large layer ');
const OCI = 'application/vnd.oci.image';
const repository = process.argv[2] ?? '';
const blocks = Math.round(Number(process.argv[3]) / BLOCK.length);
const size = blocks * BLOCK.length;

const hash = createHash('sha256');
for (let block = 0; block < blocks; block += 1) hash.update(BLOCK);
const layer = parseDigest(`sha256:${hash.digest('hex')}`);

const signer = createSigner();
const content = createFakeContent(false);
const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
const { digest } = content.putManifest(
  repository,
  {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: {
      mediaType: `${OCI}.config.v1+json`,
      digest: content.putBlob(repository, config),
      size: config.length,
    },
    layers: [{ mediaType: `${OCI}.layer.v1.tar`, digest: layer, size }],
  },
  { tag: 'large' },
);
cosign2(content, repository, digest, signer);

async function sendLayer(response: ServerResponse, withBody: boolean): Promise<void> {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    'docker-content-digest': layer,
  });
  for (let block = 0; withBody && block < blocks && !response.destroyed; block += 1) {
    await new Promise((resolve) => {
      response.once('close', resolve);
      response.write(BLOCK, () => {
        response.off('close', resolve);
        resolve(undefined);
      });
    });
  }
  response.end();
}

const switches = { referrersApi: true, referrersPageSize: undefined, headDigest: true };
const server = createServer((incoming, response) => {
  const { method = 'GET', url = '/', headers } = incoming;
  if (url.endsWith(`/blobs/${layer}`)) {
    void sendLayer(response, method === 'GET');
    return;
  }
  const reply = answer(content, switches, { method, url, headers, body: '' });
  void send(response, method, reply, undefined);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  const ready: LargeUpstream = { port, publicPem: signer.publicPem };
  console.log(JSON.stringify(ready));
});
