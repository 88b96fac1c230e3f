// `npm run kernels`: writes docs/kernels.md: what the kernels of the VMs can do, asked of each by the library's own probes.
// `npm run test:vm` compares.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { addonFor } from './prebuild.mjs';
import { SetupError, main, say } from './setup.mjs';
import { fetchKernels, fetchTools } from '../test/vm/fetch.mjs';
import { writeKernelsPage } from '../test/vm/kernels-page.mjs';
import { machineName, machines } from '../test/vm/machines.mjs';
import { runSuite } from '../test/vm/run-suite.mjs';
import { fetchUserSpace } from '../test/vm/user-space.mjs';

const timeoutMs = 240_000;

/** What `features` says on one kernel. */
async function askKernel(machine, context) {
  const { features, problems, console } = await runSuite(machine, {
    ...{ files: [], askFeatures: true, timeoutMs },
    ...context,
  });
  if (problems.length > 0)
    throw new SetupError(`${machineName(machine)}: ${problems.join('; ')}\n${console.slice(-30).join('\n')}`);
  const unclear = features.find(({ supported }) => supported === null);
  if (unclear !== undefined) throw new SetupError(`${machineName(machine)}: ${unclear.row}: ${unclear.reason}`);
  return features;
}

await main(undefined, async () => {
  const tools = new Map();
  const parts = new Map();
  for (const architecture of new Set(machines.map((machine) => machine.architecture))) {
    tools.set(architecture, await fetchTools(architecture));
    const userSpace = await fetchUserSpace(architecture, tools.get(architecture));
    parts.set(architecture, { tools: tools.get(architecture), userSpace, addon: await addonFor(architecture) });
  }
  const kernels = await fetchKernels(machines, tools);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-vm-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const asked = [];
  for (const machine of machines) {
    const kernel = kernels.get(machine);
    say(`kernels: asking ${kernel.release} on ${machine.architecture}`);
    asked.push({
      machine,
      kernel,
      features: await askKernel(machine, { ...parts.get(machine.architecture), kernel, folder }),
    });
  }
  writeKernelsPage(asked, folder);
  say('kernels: wrote docs/kernels.md');
  return 0;
});
