/** Asks once for everything that is going to be measured warm. */
import { request } from 'node:https';
import { ACCEPT } from './images.ts';

/** @throws when an answer is a refusal. */
export async function fetchAll(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    if (url.startsWith('https:')) await fetchEncrypted(url);
    else await fetchPlain(url);
  }
}

async function fetchPlain(url: string): Promise<void> {
  const response = await fetch(url, { headers: ACCEPT });
  await response.body?.pipeTo(new WritableStream());
  if (!response.ok) throw new Error(`warming ${url}: ${response.status}`);
}

/** The certificate is one that nobody vouches for. */
function fetchEncrypted(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { headers: ACCEPT, rejectUnauthorized: false }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`warming ${url}: ${response.statusCode ?? 0}`));
      }
      response.resume().once('end', resolve).once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}
