/** Rules with the trust roots they rest on, and what the other rooms have against a configuration of the right shape. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Config, TrustRootConfig } from '../config/config.ts';
import type { Finding, NodePath } from '../config/problem.ts';
import { parseReferencePattern } from '../policy/reference-pattern.ts';
import { parsePolicy, type Policy } from '../policy/rule.ts';
import { parsePublicKeys } from '../trust/public-key.ts';
import { publicKeysRoot, type TrustRoot } from '../trust/trust-root.ts';
import { readTrustRoot } from './trust-roots.ts';

export interface Rules {
  readonly policy: Policy;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
}

/** @throws {SyntaxError} naming the rule. */
export function readRules(config: Config, trustRoots: ReadonlyMap<string, TrustRoot>): Rules {
  return { policy: parsePolicy(config.policies, trustRoots), trustRoots };
}

/** Whether an image of some name is to stay in the cache. @throws {SyntaxError} for a pattern that is none. */
export function readKeep(config: Config): (name: string) => boolean {
  const patterns = config.cache.keep.map(parseReferencePattern);
  // What is gone of a registry that nobody may ask comes back by an import alone.
  const offline = new Set(
    config.upstreams.filter((one) => config.offline || one.offline).map(({ name }) => name),
  );
  return (name) =>
    offline.has(name.slice(0, Math.max(0, name.indexOf('/')))) ||
    patterns.some((pattern) => pattern.matches(name));
}

/** Keys, certificates and rules that cannot be used, each with its place. */
export function inspectRules(config: Config): readonly Finding[] {
  const findings: Finding[] = [];
  const trustRoots = new Map<string, TrustRoot>();
  for (const root of config.trustRoots) {
    trustRoots.set(root.name, inspectTrustRoot(root, findings));
  }
  for (const [index, rule] of config.policies.entries()) {
    try {
      parsePolicy([rule], trustRoots);
    } catch (error) {
      findings.push({ path: ['policies', index], message: words(error) });
    }
  }
  for (const [index, pattern] of config.cache.keep.entries()) {
    try {
      parseReferencePattern(pattern);
    } catch (error) {
      findings.push({ path: ['cache', 'keep', index], message: words(error) });
    }
  }
  for (const { name, caFile, mirrors } of config.upstreams) {
    const path = ['upstreams', name];
    findings.push(...inspectCa(path, caFile));
    for (const [index, mirror] of mirrors.entries()) {
      findings.push(...inspectCa([...path, 'mirrors', index], mirror.caFile));
    }
  }
  return findings;
}

function inspectCa(path: NodePath, caFile: string | undefined): readonly Finding[] {
  if (caFile === undefined || readFileSync(caFile, 'utf8').includes('BEGIN CERTIFICATE')) return [];
  return [{ path: [...path, 'tls', 'caFile'], message: 'expected PEM certificates' }];
}

/** A root that cannot be read is reported, and stands empty so that the rules on it are looked at too. */
function inspectTrustRoot(config: TrustRootConfig, findings: Finding[]): TrustRoot {
  const { name } = config;
  if (config.kind === 'public-keys') {
    const keys = config.files.flatMap(({ path, text }, index) => {
      try {
        return parsePublicKeys(text, basename(path));
      } catch (error) {
        findings.push({ path: ['trustRoots', name, 'publicKeys', index], message: words(error) });
        return [];
      }
    });
    return publicKeysRoot(name, keys);
  }
  try {
    return readTrustRoot(config);
  } catch (error) {
    if (config.kind === 'notation-policy') {
      findings.push({ path: ['trustRoots', name, 'notation', 'configDir'], message: words(error) });
      const nothing = { document: { statements: [] }, roots: new Map(), warnings: [] };
      return { kind: 'notation-policy', name, id: '', ...nothing };
    }
    if (config.kind === 'notation') {
      findings.push({ path: ['trustRoots', name, 'notation'], message: words(error) });
      const nothing = { ca: [], signingAuthority: [], tsa: [], revocationLists: [] };
      return { kind: 'notation', name, id: '', ...nothing, privateHosts: [] };
    }
    findings.push({ path: ['trustRoots', name, ...placeOf(config)], message: words(error) });
    return readTrustRoot({
      ...config,
      source: { kind: 'instance', instance: 'public-good' },
    });
  }
}

function placeOf({ source }: Extract<TrustRootConfig, { kind: 'sigstore' }>): NodePath {
  if (source.kind === 'file') return ['sigstore', 'trustedRootFile'];
  return source.kind === 'tuf' ? ['sigstore', 'tuf', 'rootFile'] : ['sigstore'];
}

function words(error: unknown): string {
  if (error instanceof SyntaxError) return error.message;
  throw error;
}
