// `npm run soak`: a slow consumer reads a hundred million records of 8 bytes to 1 MiB from a ring, then as many of up to 32 KiB
// from perf buffers; received and dropped together must be what was produced, and memory must not grow. Root.
// Flags: --records <n>, --kind ring|perf, --pause <ms>, --batches <n per pause>.
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, say } from './setup.mjs';

/** Memory may grow by what the garbage collector has not seen yet. */
const mostGrowth = 64 * 1024 * 1024;

await main(undefined, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      records: { type: 'string', default: '100000000' },
      kind: { type: 'string', multiple: true, default: ['ring', 'perf'] },
      pause: { type: 'string', default: '100' },
      batches: { type: 'string', default: '500' },
    },
  });
  const require = createRequire(import.meta.url);
  require(path.join(root, 'test', 'helpers', 'typescript-hook.cjs'));
  const { soak } = require(path.join(root, 'test', 'helpers', 'soak.ts'));
  let failed = false;
  for (const kind of values.kind) {
    const start = Date.now();
    const result = await soak({
      kind,
      records: Number(values.records),
      pauseMs: Number(values.pause),
      batchesPerPause: Number(values.batches),
      onProgress: (produced) =>
        say(`soak: ${kind}: ${produced} records after ${Math.round((Date.now() - start) / 1000)} s`),
    });
    const { produced, received, dropped, lost, missing, damaged, largest, memory } = result;
    const growth = memory[1] - memory[0];
    const exact = received + dropped === produced && missing === dropped && damaged === 0;
    const flat = growth < mostGrowth;
    failed ||= !exact || !flat;
    const kernel = lost === undefined ? '' : ` (the kernel says ${lost})`;
    console.log(
      `${kind}: produced ${produced}, received ${received}, dropped ${dropped}${kernel}, damaged ${damaged}, largest ${largest} bytes, ` +
        `memory ${(memory[0] / 2 ** 20).toFixed(0)} → ${(memory[1] / 2 ** 20).toFixed(0)} MiB, ` +
        `${((Date.now() - start) / 1000).toFixed(0)} s: ${exact && flat ? 'exact' : 'FAILED'}`,
    );
  }
  return failed ? 1 : 0;
});
