// `npm run vm -- --kernel 5.10`: a shell in a VM with that kernel, the built package in /node-ebpf, Node, busybox. `poweroff -f`
// or the end of the shell ends it; so does Ctrl-A X.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addonFor } from './prebuild.mjs';
import { SetupError, main, say } from './setup.mjs';
import { writeArchives } from '../test/vm/cpio.mjs';
import { kernelTests, modulesArchive, suiteArchive } from '../test/vm/image.mjs';
import { fetchKernels, fetchTools } from '../test/vm/fetch.mjs';
import { fetchUserSpace } from '../test/vm/user-space.mjs';
import { commandLine } from '../test/vm/machine.mjs';
import { selectMachines } from '../test/vm/machines.mjs';

await main(undefined, async (args) => {
  const { kernel = '6.12', arch = 'x64' } = parseArgs({
    args,
    options: { kernel: { type: 'string' }, arch: { type: 'string' } },
  }).values;
  const [machine, ...others] = selectMachines({ kernel, arch });
  if (others.length > 0) throw new SetupError('a shell takes one kernel: --kernel 6.1 --arch x64');
  const tools = await fetchTools(machine.architecture);
  const found = (await fetchKernels([machine], new Map([[machine.architecture, tools]]))).get(machine);
  const userSpace = await fetchUserSpace(machine.architecture, tools);
  const addon = await addonFor(machine.architecture);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-vm-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const { archive } = suiteArchive({ architecture: machine.architecture, addon, files: kernelTests({}) });
  const initialRoot = path.join(folder, 'root.cpio');
  writeArchives(initialRoot, [[fs.readFileSync(userSpace)], modulesArchive(found), archive]);
  say(`vm: booting ${found.release}; sh /run.sh runs the kernel suite, exit ends the VM`);
  // A serial line does not tell how large the terminal is.
  const { rows = 24, columns = 80 } = process.stdout;
  const extra = [`vm_shell=${rows},${columns}`];
  const options = { tools, kernel: found, initialRoot, token: '0', processors: 2, extra };
  const [program, ...words] = commandLine(machine, options);
  // Ctrl-C belongs to the shell inside.
  words[words.indexOf('-serial') + 1] = 'mon:stdio';
  const child = spawn(program, words, { stdio: 'inherit', env: tools.environment });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
});
