/** The section `credentials` of an upstream: secrets come from the environment or from files, never from YAML. */
import type { CredentialsConfig } from './upstream-config.ts';
import type { NodePath } from './problem.ts';
import type { RawCredentials } from './raw.ts';
import { readableFile, type Section } from './section.ts';

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Resolves `${NAME}` and checks the files; mistakes are reported, and what they leave is of no use. */
export function readCredentials(
  section: Section,
  path: NodePath,
  raw: RawCredentials,
): CredentialsConfig {
  if ('dockerConfigFile' in raw) {
    const at = [...path, 'dockerConfigFile'];
    const dockerConfigFile = readableFile(section, at, raw.dockerConfigFile);
    return { kind: 'docker-config', dockerConfigFile };
  }
  const username = interpolate(section, [...path, 'username'], raw.username);
  if (username.includes(':')) {
    section.report([...path, 'username'], 'expected a user name without a colon');
  }
  if ('passwordFile' in raw) {
    const passwordFile = readableFile(section, [...path, 'passwordFile'], raw.passwordFile);
    return { kind: 'password-file', username, passwordFile };
  }
  const password = interpolate(section, [...path, 'password'], raw.password);
  return { kind: 'password', username, password };
}

/** Neither the text nor a variable's value ever reaches a message. */
function interpolate(section: Section, path: NodePath, text: string): string {
  if (text.replaceAll(VARIABLE, '').includes('${')) {
    section.report(path, 'expected environment variables to be written ${NAME}');
  }
  return text.replaceAll(VARIABLE, (_, name: string) => {
    const value = Object.hasOwn(section.env, name) ? section.env[name] : undefined;
    if (value === undefined || value === '') {
      const state = value === undefined ? 'not set' : 'empty';
      section.report(path, `environment variable ${name} is ${state}`);
    }
    return value ?? '';
  });
}
