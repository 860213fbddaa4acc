/** Docker, old store and new, by direct names and through a mirror, in front of an open registry. */
import './lab/namespace.ts';
import { dockerKinds } from './lab/clients/docker.ts';
import { matrixSuite } from './lab/matrix.ts';

matrixSuite('docker and an open upstream', 'none', dockerKinds);
