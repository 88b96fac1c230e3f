// `npm run format`: prettier and clang-format over the whole tree.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findCommand, main, root, say } from './setup.mjs';

await main(['dependencies'], () => {
  const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
  const prettier = path.join(root, 'node_modules', 'prettier', 'bin', 'prettier.cjs');
  let status = run(process.execPath, [prettier, '--write', '--log-level=warn', '.']);
  const directory = path.join(root, 'native');
  const files = fs.existsSync(directory)
    ? fs.readdirSync(directory, { recursive: true }).filter((name) => /\.(cc|cpp|h)$/u.test(name))
    : [];
  const clangFormat = findCommand('clang-format-19', 'clang-format');
  if (files.length > 0 && clangFormat === undefined) say('format: native/ left alone: clang-format is not installed');
  if (files.length > 0 && clangFormat !== undefined) {
    status ||= run(clangFormat, ['-i', ...files.map((name) => path.join('native', name))]);
  }
  return status;
});
