// `npm run corpus`: real objects, out of Debian's packages: each is parsed, compared with what libbpf says of it, adapted to this
// kernel and loaded. Nothing is attached or pinned. `-- --suite bookworm` picks a suite, `-- --only execsnoop` objects;
// `-- --folder <path>` takes what lies there instead; `-- --libbpf sid` compares with the libbpf of another suite, `-- --vm 6.1,7` loads in VMs too.
import { parseArgs } from 'node:util';
import { main } from './setup.mjs';

await main(['dependencies', 'addon'], async (words) => {
  const { values } = parseArgs({
    args: words,
    options: {
      suite: { type: 'string', multiple: true },
      only: { type: 'string' },
      folder: { type: 'string' },
      libbpf: { type: 'string' },
      vm: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      'no-load': { type: 'boolean', default: false },
    },
  });
  const { runCorpus } = await import('../test/corpus/run.mjs');
  return runCorpus(values);
});
