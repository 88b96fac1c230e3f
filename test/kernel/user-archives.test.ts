// Probes in code that runs out of an archive: a program whose segments lie in a member that is stored as it is.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Ebpf, Uprobe, Uretprobe, Usdt } from '../../lib/index.js';
import { runnableArchive } from '../helpers/archive.js';
import { hasProbedProgram, probedProgram, startProbed, type ProbedProcess } from '../helpers/probed-program.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasUprobes } from '../helpers/user-space.js';

const rule = testIf(hasUprobes && hasProbedProgram, 'uprobes');
const member = 'lib/libprobes.so';

let folder: string;
let path: string;
let child: ProbedProcess;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-archive-'));
  path = join(folder, 'base.apk');
  if (hasProbedProgram) writeFileSync(path, runnableArchive(member, readFileSync(probedProgram())), { mode: 0o755 });
});

beforeEach(() => {
  if (hasUprobes && hasProbedProgram) child = startProbed([path]);
});

afterEach(async () => {
  if (hasUprobes && hasProbedProgram) await child.close();
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

rule('uprobes run at functions of the member', async () => {
  await using ebpf = await Ebpf.load(sample('uprobe'), { variables: { target_pid: child.pid } });
  const target = `${path}!/${member}`;
  const entry = await ebpf.program('anywhere', Uprobe).attach({ target, function: 'twice' });
  const exit = await ebpf.program('returned', Uretprobe).attach({ target, function: 'twice', pid: child.pid });
  expect(entry.target).toBe(`uprobe ${target}:twice`);
  await child.hit();
  await child.hit();
  expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([2n, 2n]);
  await entry.close();
  await exit.close();
  await child.hit();
  expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([2n, 2n]);
});

rule('so do programs at the probes that it was built with', async () => {
  await using ebpf = await Ebpf.load(sample('usdt'), { variables: { target_pid: child.pid } });
  const target = `${path}!/${member}`;
  const link = await ebpf.program('guarded', Usdt).attach({ target, probe: 'node_ebpf:guarded', pid: child.pid });
  // Its semaphore is in the archive too.
  expect(await child.hit()).toBe(1);
  expect(ebpf.variables['guarded_calls']).toBe(1n);
  await link.close();
  expect(await child.hit()).toBe(0);
  expect(ebpf.variables['guarded_calls']).toBe(1n);
});
