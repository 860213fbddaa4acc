/** The certificate extensions that rules may ask for: Fulcio's names, their OIDs and how their values are written. */

export interface CertificateExtension {
  /** Dotted. */
  readonly oid: string;
  /** `der`: a UTF8String; `raw`: the text's bytes alone, as Fulcio wrote its first ones. */
  readonly encoding: 'der' | 'raw';
}

const FULCIO = '1.3.6.1.4.1.57264.1';
const der = (arc: number): CertificateExtension => ({ oid: `${FULCIO}.${arc}`, encoding: 'der' });
const raw = (arc: number): CertificateExtension => ({ oid: `${FULCIO}.${arc}`, encoding: 'raw' });

/** By name, as Fulcio's directory of OIDs calls them. The issuer (.1, .8) is no extension here: it has its own field. */
export const CERTIFICATE_EXTENSIONS: ReadonlyMap<string, CertificateExtension> = new Map([
  ['buildSignerURI', der(9)],
  ['buildSignerDigest', der(10)],
  ['runnerEnvironment', der(11)],
  ['sourceRepositoryURI', der(12)],
  ['sourceRepositoryDigest', der(13)],
  ['sourceRepositoryRef', der(14)],
  ['sourceRepositoryIdentifier', der(15)],
  ['sourceRepositoryOwnerURI', der(16)],
  ['sourceRepositoryOwnerIdentifier', der(17)],
  ['buildConfigURI', der(18)],
  ['buildConfigDigest', der(19)],
  ['buildTrigger', der(20)],
  ['runInvocationURI', der(21)],
  ['sourceRepositoryVisibilityAtSigning', der(22)],
  ['deploymentEnvironment', der(23)],
  ['githubWorkflowTrigger', raw(2)],
  ['githubWorkflowSHA', raw(3)],
  ['githubWorkflowName', raw(4)],
  ['githubWorkflowRepository', raw(5)],
  ['githubWorkflowRef', raw(6)],
]);

/** The names alone, in the order in which documentation lists them. */
export const EXTENSION_NAMES: readonly string[] = [...CERTIFICATE_EXTENSIONS.keys()];
