/** containerd by ctr, with and without hosts.toml, in front of a registry that wants tokens. */
import './lab/namespace.ts';
import { containerdKinds } from './lab/clients/containerd.ts';
import { matrixSuite } from './lab/matrix.ts';

matrixSuite('containerd and an upstream with token authentication', 'token', containerdKinds);
