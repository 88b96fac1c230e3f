// Run by kernel-watch.test.ts in namespaces of its own: leaves one of each in the kernel, says what is found, takes all back.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Ebpf } from '../../../lib/index.js';
import { TestCgroup } from '../../helpers/cgroup.js';
import { hasClsact, makeClsact } from '../../helpers/clsact.js';
import { KernelWatch } from '../../helpers/kernel-watch.js';
import { sample } from '../../helpers/samples.js';

const traceEvents = '/sys/kernel/tracing/uprobe_events';

async function main(): Promise<void> {
  const watch = await KernelWatch.start();
  const found: Record<string, string[]> = {};
  const takeBack: (() => void | Promise<void>)[] = [];

  const ebpf = await Ebpf.load(sample('maps'));
  [...ebpf.programs][0]?.pin('/mnt/left-program');
  await ebpf.close();
  takeBack.push(() => {
    unlinkSync('/mnt/left-program');
  });
  await watch.after('pins');

  const cgroup = new TestCgroup('left');
  takeBack.push(() => {
    cgroup.close();
  });
  await watch.after('cgroups');

  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  takeBack.push(async () => {
    child.kill();
    await once(child, 'exit');
  });
  // An orphan is no child of this process any more.
  const orphan = execFileSync('sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!'], { encoding: 'latin1' });
  takeBack.push(() => {
    process.kill(Number(orphan));
  });
  await watch.after('processes');

  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-left-'));
  execFileSync('mount', ['-t', 'tmpfs', 'none', folder]);
  takeBack.push(() => {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  });
  await watch.after('mounts');

  execFileSync('ip', ['link', 'add', 'left', 'type', 'veth']);
  if (hasClsact) await makeClsact('left');
  takeBack.push(() => {
    execFileSync('ip', ['link', 'del', 'left']);
  });
  await watch.after('network');

  if (existsSync(traceEvents)) {
    writeFileSync(traceEvents, 'p:node_ebpf/left /bin/sh:0x1000\n', { flag: 'a' });
    takeBack.push(() => {
      writeFileSync(traceEvents, '-:node_ebpf/left\n', { flag: 'a' });
    });
    await watch.after('tracefs');
  }

  for (const { what, file } of await watch.left(0)) (found[file] ??= []).push(what);
  for (const work of takeBack) await work();
  const still = await watch.left(10_000);
  process.stdout.write(JSON.stringify({ found, still }));
}

void main();
