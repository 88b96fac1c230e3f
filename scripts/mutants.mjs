// `npm run mutants -- [room] [file…]`: Stryker changes the code of lib/btf and lib/relocate in small ways, one at a time, and at
// least 75 % of these mutants must fail a unit test of their room. What has not changed since the last run is not run again.
// Stryker is installed into temp/mutants by the first run: it is ten times the size of what every other command needs.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, root, run, say } from './setup.mjs';

const version = '9.6.1';
const rooms = ['btf', 'relocate'];

export const toolFolder = path.join(root, 'temp', 'mutants');

function installStryker() {
  const manifest = path.join(toolFolder, 'node_modules', '@stryker-mutator', 'core', 'package.json');
  const plugin = path.join(toolFolder, 'node_modules', '@stryker-mutator', 'jest-runner', 'package.json');
  const installed = [manifest, plugin].every(
    (file) => fs.existsSync(file) && JSON.parse(fs.readFileSync(file, 'utf8')).version === version,
  );
  if (installed) return;
  fs.mkdirSync(toolFolder, { recursive: true });
  fs.writeFileSync(path.join(toolFolder, 'package.json'), '{ "private": true }\n');
  const packages = ['core', 'jest-runner'].map((name) => `@stryker-mutator/${name}@${version}`);
  say(`mutants: installing ${packages.join(' ')}`);
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...packages], {
    what: 'npm install',
    cwd: toolFolder,
  });
}

function mutate(room, files) {
  const stryker = path.join(toolFolder, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
  const env = { ...process.env, NODE_EBPF_MUTANTS_ROOM: room, NODE_EBPF_TEST_SEARCH: '0' };
  if (files.length > 0) env.NODE_EBPF_MUTANTS_FILES = files.join(',');
  const { status } = spawnSync(process.execPath, [stryker, 'run', 'scripts/mutants/stryker.config.mjs'], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(undefined, async ([only, ...files]) => {
    if (only !== undefined && !rooms.includes(only)) {
      say(`mutants: ${only} is none of ${rooms.join(', ')}`);
      return 1;
    }
    installStryker();
    const failed = rooms.filter((room) => (only ?? room) === room && !mutate(room, files));
    return failed.length === 0 ? 0 : 1;
  });
}
