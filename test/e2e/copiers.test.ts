/** skopeo and crane, which carry images away, in front of a registry that wants tokens. */
import './lab/namespace.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { matrixSuite } from './lab/matrix.ts';

matrixSuite('skopeo, crane and an upstream with token authentication', 'token', copierKinds);
