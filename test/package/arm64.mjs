// `node test/package/arm64.mjs <tarball> <npm's folder>`: a VM with arm64, node, npm and nothing else of ours installs the tarball in
// an empty folder, and runs the README's example there. Ends with 0 when the example printed what was executed.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SetupError, main, root, say } from '../../scripts/setup.mjs';
import { CpioArchive } from '../vm/cpio.mjs';
import { fetchKernels, fetchTools } from '../vm/fetch.mjs';
import { modulesArchive } from '../vm/image.mjs';
import { runMachine } from '../vm/machine.mjs';
import { selectMachines } from '../vm/machines.mjs';
import { fetchUserSpace } from '../vm/user-space.mjs';

const script = `
mkdir -p /commands && ln -s /usr/bin/node /commands/node && ln -s /usr/bin/sh /commands/sh
printf '#!/usr/bin/busybox sh\\nexec node /npm/bin/npm-cli.js "$@"\\n' >/commands/npm && chmod +x /commands/npm
cd /app
PATH=/commands npm install --offline --no-audit --no-fund --no-progress --loglevel=error ./node-ebpf.tgz || exit 3
PATH=/commands node execsnoop.mjs execsnoop.bpf.o $$ >out &
example=$!
turn=0
while [ ! -s out ] && [ $turn -lt 120 ]; do /usr/bin/true; sleep 0.5; turn=$((turn + 1)); done
kill -INT $example
wait $example || exit 4
cat out
# Its own shell executes /proc/self/exe in place of programs that are part of it.
grep -q '^[0-9]* [0-9]* [a-z]* /[a-z/]*$' out || exit 5
PATH=/commands node -e "require('node-ebpf').isSupported(); console.log(/node.napi.armv8.node/.exec(require('fs').readFileSync('/proc/self/maps'))[0])" || exit 6
`;

await main(['dependencies'], async ([tarball, npm]) => {
  const [machine] = selectMachines({ kernel: '7', arch: 'arm64' });
  const tools = await fetchTools(machine.architecture);
  const kernel = (await fetchKernels([machine], new Map([[machine.architecture, tools]]))).get(machine);
  const userSpace = await fetchUserSpace(machine.architecture, tools);
  const archive = new CpioArchive();
  archive.file('/init', fs.readFileSync(path.join(root, 'test/vm/guest/init')), { executable: true });
  archive.file('/run.sh', script);
  archive.copy(tarball, '/app/node-ebpf.tgz');
  archive.file('/app/package.json', '{ "private": true }\n');
  archive.copy(path.join(root, 'examples/execsnoop.mjs'), '/app/execsnoop.mjs');
  archive.copy(path.join(root, 'bpf-samples/execsnoop.bpf.o'), '/app/execsnoop.bpf.o');
  archive.copy(npm, '/npm', (file) => !/\/(?:docs|man|html)$/u.test(file));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-arm64-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const archives = [[fs.readFileSync(userSpace)], modulesArchive(kernel), archive.end()];
  const result = await runMachine(machine, { tools, kernel, archives, folder, timeoutMs: 240_000, memory: '2G' });
  for (const line of result.console.slice(-30)) process.stdout.write(`${line}\n`);
  say(`arm64: Linux ${kernel.release}, ${(result.milliseconds / 1000).toFixed(0)} s`);
  if (result.status !== 0) result.problems.push(`its work ended with status ${result.status}`);
  if (result.problems.length > 0) throw new SetupError(result.problems.join('\n'));
  return 0;
});
