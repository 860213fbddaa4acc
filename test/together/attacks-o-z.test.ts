import { runTogether } from './groups.ts';

await runTogether('attacks-o-z');
