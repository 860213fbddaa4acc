/** Surroundings of a signer that tests make up. */
import type { SigningEnvironment } from '../../src/signing/environment.ts';

/** Files by their name, and variables; nobody is there to be asked unless told. */
export function surroundings(
  files: Readonly<Record<string, string | Buffer>>,
  env: SigningEnvironment['env'] = {},
  askPassword: SigningEnvironment['askPassword'] = async () => undefined,
): SigningEnvironment {
  return {
    env,
    askPassword,
    readFile: async (file, maxBytes) => {
      const content = files[file];
      if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      if (content.length > maxBytes) throw new Error('too long');
      return Buffer.from(content);
    },
  };
}
