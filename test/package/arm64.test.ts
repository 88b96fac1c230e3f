// The tarball on another processor, which is emulated.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { repository } from '../helpers/command.js';
import { packed } from '../helpers/packed.js';

test('arm64: installed by npm in a VM that has no compiler, the README example prints what is executed', () => {
  const { peers, tarball } = packed();
  const args = [join(repository, 'test/package/arm64.mjs'), tarball, join(peers, 'npm')];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 350_000 });
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  expect(stdout).toMatch(/^user 0: \d+ executions$/m);
  expect(stdout).toMatch(/^node\.napi\.armv8\.node$/m);
}, 360_000);
