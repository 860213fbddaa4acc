import { runTogether } from './groups.ts';

await runTogether('attacks-a-h');
