/** Podman, with and without rewritten names, in front of a registry that wants a password. */
import './lab/namespace.ts';
import { podmanKinds } from './lab/clients/podman.ts';
import { matrixSuite } from './lab/matrix.ts';

matrixSuite('podman and an upstream with basic authentication', 'basic', podmanKinds);
