// `npm run coverage`: what the unit tests reach of the rooms that need no kernel. Fails for a room below 95 % of lines or 90 % of
// branches. Flags are passed on to Jest.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { main, root } from './setup.mjs';

const rooms = ['binary', 'elf', 'btf', 'asm', 'object', 'relocate', 'codec'];
const least = { lines: 95, branches: 90 };

await main(['dependencies'], (flags) => {
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const threshold = Object.fromEntries(rooms.map((room) => [`./lib/${room}/`, least]));
  const args = [
    ...['--selectProjects', 'unit', '--testPathPatterns', `test/unit/(${[...rooms, 'fuzz'].join('|')})/`],
    ...['--coverage', '--coverageDirectory', 'coverage'],
    ...rooms.map((room) => `--collectCoverageFrom=lib/${room}/**/*.ts`),
    ...['--coverageReporters=text', '--coverageReporters=html'],
    `--coverageThreshold=${JSON.stringify(threshold)}`,
  ];
  const { status } = spawnSync(process.execPath, [jest, ...args, ...flags], { cwd: root, stdio: 'inherit' });
  return status ?? 1;
});
