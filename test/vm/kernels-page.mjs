// docs/kernels.md: what the kernels of the VMs answered to the library's own probes.
import fs from 'node:fs';
import path from 'node:path';
import { root, run } from '../../scripts/setup.mjs';

const target = path.join(root, 'docs', 'kernels.md');

/** Writes the page from [{ machine, kernel, features }], where features are [{ section, row, supported, reason }]. */
export function writeKernelsPage(asked, folder) {
  fs.writeFileSync(target, formatted(asked, folder));
}

/** What is wrong with the page, or undefined. `moved` is called when a kernel is newer than the page's: nothing is wrong then. */
export function checkKernelsPage(asked, { folder, moved }) {
  if (!fs.existsSync(target)) return 'docs/kernels.md is missing; run: npm run kernels';
  const unclear = asked.flatMap(({ features }) => features).find(({ supported }) => supported === null);
  if (unclear !== undefined) return `${unclear.row}: ${unclear.reason}`;
  const written = fs.readFileSync(target, 'utf8');
  const text = formatted(asked, folder);
  // The first table's head: Debian replaces the newest kernel by the next whenever it likes.
  const head = (all) => /^\| +\| .*$/mu.exec(all)?.[0];
  if (head(written) !== head(text)) {
    moved(`docs/kernels.md was written for other kernels (${head(text)}); run: npm run kernels`);
    return undefined;
  }
  // A newer package of the same version is no difference.
  const content = (all) => all.replaceAll(/^- .*: linux-image-.*$/gmu, '').split('\n');
  const [before, now] = [content(written), content(text)];
  const line = now.findIndex((one, index) => one !== before[index]);
  if (line < 0 && now.length === before.length) return undefined;
  return `docs/kernels.md is not what the kernels say, first in "${now[line] ?? ''}"; run: npm run kernels`;
}

function formatted(asked, folder) {
  const file = path.join(folder, 'kernels.md');
  fs.writeFileSync(file, text(asked));
  const prettier = path.join(root, 'node_modules', 'prettier', 'bin', 'prettier.cjs');
  return run(process.execPath, [prettier, '--config', path.join(root, '.prettierrc.json'), file], { what: 'prettier' });
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

function text(asked) {
  const columns = asked.map(({ kernel, machine }) => `${/^\d+\.\d+/u.exec(kernel.release)[0]} ${machine.architecture}`);
  const sections = new Map();
  for (const [index, { features }] of asked.entries()) {
    for (const { section, row, supported } of features) {
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
  const lines = [
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
    lines.push(`## ${section}`, '', line(['', ...columns]), line(['---', ...columns.map(() => '---')]));
    for (const [row, given] of rows) {
      // Names of the kernel's constants are code.
      const name = /^[A-Z0-9_]+$/u.test(row) ? `\`${row}\`` : row;
      const exercised = given.includes('yes');
      lines.push(line([name, ...(exercised ? given : given.map(() => 'not exercised'))]));
    }
    lines.push('');
  }
  lines.push(...warnings);
  return lines.join('\n');
}
