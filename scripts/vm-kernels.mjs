// `npm run kernels`: writes docs/kernels.md: what the kernels of the VMs can do, asked of each by the library's own probes.
// `npm run kernels -- --check` compares instead.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addonFor } from './cross-build.mjs';
import { SetupError, main, root, run, say } from './setup.mjs';
import { fetchKernels, fetchTools } from '../test/vm/fetch.mjs';
import { modulesArchive, suiteArchive } from '../test/vm/image.mjs';
import { machineName, machines } from '../test/vm/machines.mjs';
import { runMachine } from '../test/vm/machine.mjs';
import { fetchUserSpace } from '../test/vm/user-space.mjs';

const target = path.join(root, 'docs', 'kernels.md');
const timeoutMs = 240_000;

/** [{ section, row, supported, reason }] of one kernel. */
async function askKernel(machine, { kernel, tools, userSpace, addon, folder }) {
  const answers = [];
  const { archive } = suiteArchive({
    architecture: machine.architecture,
    addon,
    files: [],
    script: 'exec node /node-ebpf/vm/features.cjs\n',
  });
  const onMessage = (kind, rest) => {
    if (kind === 'feature') answers.push(JSON.parse(rest));
  };
  const archives = [[fs.readFileSync(userSpace)], modulesArchive(kernel), archive];
  const { status, problems, console } = await runMachine(machine, {
    tools,
    kernel,
    archives,
    folder,
    timeoutMs,
    onMessage,
  });
  if (status !== 0 || problems.length > 0) {
    throw new SetupError(
      `${machineName(machine)}: ${problems.join('; ')} (status ${status})\n${console.slice(-30).join('\n')}`,
    );
  }
  const unclear = answers.find(({ supported }) => supported === null);
  if (unclear !== undefined) throw new SetupError(`${machineName(machine)}: ${unclear.row}: ${unclear.reason}`);
  return answers;
}

/** What a kernel does on its own account and a user may take for a fault of the library. */
const warnings = [
  '## Warnings in the kernel log',
  '',
  'Kernels before 6.1 write `WARNING: … trace type BPF program uses run-time allocation` once after boot, when a kprobe, tracepoint',
  'or raw tracepoint program is loaded that uses a hash with `BPF_F_NO_PREALLOC`. The program is loaded and works, but it can',
  'deadlock where it runs inside the allocator. Leave the flag out of the map, or give it only to maps of other programs.',
  '',
];

function page(asked) {
  const columns = asked.map(({ kernel, machine }) => `${/^\d+\.\d+/u.exec(kernel.release)[0]} ${machine.architecture}`);
  const sections = new Map();
  for (const [index, { answers }] of asked.entries()) {
    for (const { section, row, supported } of answers) {
      if (!sections.has(section)) sections.set(section, new Map());
      const rows = sections.get(section);
      if (!rows.has(row))
        rows.set(
          row,
          columns.map(() => ''),
        );
      rows.get(row)[index] = supported ? 'yes' : '–';
    }
  }
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const text = [
    '# What real kernels can do',
    '',
    'Written by `npm run kernels` from Debian kernels in VMs, where `features` of this library asked each of them. `yes` means that',
    'the kernel takes what is asked for, `–` that it does not, be it too old or configured without. `not exercised`: Debian builds',
    'none of these kernels with it, so that only the answer `no` was tested. The kernel suite of this repository runs on the same',
    'kernels: `npm run test:vm`.',
    '',
    ...asked.map(({ kernel, machine }) => `- ${machine.architecture}: ${kernel.package} ${kernel.version}`),
    '',
  ];
  for (const [section, rows] of sections) {
    text.push(`## ${section}`, '', line(['', ...columns]), line(['---', ...columns.map(() => '---')]));
    for (const [row, given] of rows) {
      // Names of the kernel's constants are code.
      const name = /^[A-Z0-9_]+$/u.test(row) ? `\`${row}\`` : row;
      const exercised = given.includes('yes');
      text.push(line([name, ...(exercised ? given : given.map(() => 'not exercised'))]));
    }
    text.push('');
  }
  text.push(...warnings);
  return text.join('\n');
}

await main(undefined, async (args) => {
  const { check } = parseArgs({ args, options: { check: { type: 'boolean', default: false } } }).values;
  const tools = new Map();
  const parts = new Map();
  for (const architecture of new Set(machines.map((machine) => machine.architecture))) {
    tools.set(architecture, await fetchTools(architecture));
    const userSpace = await fetchUserSpace(architecture, tools.get(architecture));
    parts.set(architecture, { tools: tools.get(architecture), userSpace, addon: addonFor(architecture) });
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
      answers: await askKernel(machine, { ...parts.get(machine.architecture), kernel, folder }),
    });
  }
  const file = path.join(folder, 'kernels.md');
  fs.writeFileSync(file, page(asked));
  const prettier = path.join(root, 'node_modules', 'prettier', 'bin', 'prettier.cjs');
  const config = path.join(root, '.prettierrc.json');
  const text = run(process.execPath, [prettier, '--config', config, file], { what: 'prettier' });
  if (!check) {
    fs.writeFileSync(target, text);
    say('kernels: wrote docs/kernels.md');
    return 0;
  }
  // A newer package of the same version is no difference.
  const content = (all) => all.replaceAll(/^- .*: linux-image-.*$/gmu, '');
  if (fs.existsSync(target) && content(fs.readFileSync(target, 'utf8')) === content(text)) return 0;
  say('kernels: docs/kernels.md is not what the kernels say; run: npm run kernels');
  return 1;
});
