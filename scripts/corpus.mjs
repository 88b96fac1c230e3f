// `npm run corpus`: real objects, out of Debian's packages: each is parsed, compared with what libbpf says of it, adapted to this
// kernel and loaded. Nothing is attached or pinned.
//
//   npm run corpus -- --suite bookworm    one suite; `go` and `pypi` are what those registries have; --only execsnoop: some objects
//   npm run corpus -- --folder <path>     what lies there instead
//   npm run corpus -- --libbpf sid        compared with the libbpf of another suite
//   npm run corpus -- --vm 6.1,7          loaded in VMs too
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
