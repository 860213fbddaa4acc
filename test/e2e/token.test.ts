/** containerd by ctr, and skopeo and crane, which carry images away, in front of a registry that wants tokens. */
import './lab/namespace.ts';
import { containerdKinds } from './lab/clients/containerd.ts';
import { copierKinds } from './lab/clients/copiers.ts';
import { matrixSuite } from './lab/matrix.ts';

const kinds = [...containerdKinds, ...copierKinds];
matrixSuite('containerd, skopeo, crane and an upstream with token authentication', 'token', kinds);
