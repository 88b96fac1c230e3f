// `npm run coverage`: what the unit tests reach of the rooms that need no kernel, run as if on another system, without /proc and /sys,
// a compiler and the addon: `-- --system darwin` instead of win32, `-- --system linux` for this one as it is. Fails for a room below
// 95 % of lines or 90 % of branches, and for a test that needs more than such a system has and does not say so. Other flags go to Jest.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { main, root } from './setup.mjs';

const rooms = ['errors', 'abi', 'binary', 'elf', 'btf', 'asm', 'object', 'relocate', 'codec'];
const least = { lines: 95, branches: 90 };

await main(['dependencies'], (flags) => {
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const threshold = Object.fromEntries(rooms.map((room) => [`./lib/${room}/`, least]));
  const at = flags.indexOf('--system');
  const [, system = 'win32'] = at < 0 ? [] : flags.splice(at, 2);
  const args = [
    ...['--selectProjects', 'unit', '--testPathPatterns', `test/unit/(${[...rooms, 'fuzz'].join('|')})/`],
    ...['--coverage', '--coverageDirectory', 'coverage'],
    ...rooms.map((room) => `--collectCoverageFrom=lib/${room}/**/*.ts`),
    ...['--coverageReporters=text', '--coverageReporters=html'],
    `--coverageThreshold=${JSON.stringify(threshold)}`,
  ];
  const env = { ...process.env, NODE_EBPF_PRETEND_SYSTEM: system === process.platform ? '' : system };
  const { status } = spawnSync(process.execPath, [jest, ...args, ...flags], { cwd: root, env, stdio: 'inherit' });
  return status ?? 1;
});
