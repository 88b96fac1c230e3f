// The examples as a user runs them: in a folder of their own, with the package installed.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Executor, repository, RunningCommand, samples } from '../helpers/command.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-examples-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(repository, join(folder, 'node_modules/node-ebpf'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function example(name: string, ...args: string[]): RunningCommand {
  const file = join(folder, name);
  copyFileSync(join(repository, 'examples', name), file);
  return new RunningCommand(process.execPath, [file, ...args], { cwd: folder });
}

test('execsnoop.mjs prints what one process executes, and the totals on Ctrl-C', async () => {
  const executor = new Executor();
  symlinkSync('/bin/true', join(folder, 'something'));
  const command = example('execsnoop.mjs', join(samples, 'execsnoop.bpf.o'), String(executor.pid));
  try {
    // It says nothing before the first event: execute until it is attached, or has failed.
    const seen = command.shows(/something/u).then(() => true);
    seen.catch(() => {});
    let pid;
    do pid = await executor.execute(join(folder, 'something'));
    while (!(await Promise.race([seen, sleep(50, false)])));
    await command.shows(new RegExp(`^${pid} ${executor.pid} something ${join(folder, 'something')}$`, 'm'));
    command.signal('SIGINT');
    expect(await command.exit()).toBe(0);
    expect(command.stdout).toMatch(/^user 0: \d+ executions\n$/m);
    expect(command.stderr).toBe('');
  } finally {
    await command.end();
    await executor.end();
  }
});

test('maps.mjs reads and writes maps and variables', async () => {
  const command = example('maps.mjs', join(samples, 'maps.bpf.o'));
  try {
    expect(await command.exit()).toBe(0);
    expect(command.stderr).toBe('');
    expect(command.stdout).toContain('bytes: 9223372036854775808n');
    expect(command.stdout.match(/^counts\[\d\] is \d+$/gm)?.sort()).toEqual(['counts[1] is 100', 'counts[3] is 300']);
    expect(command.stdout).toMatch(/^2 1 \[ '10\.1\.0\.0\/16', '10\.0\.0\.0\/8' \]$/m);
    expect(command.stdout).toMatch(/^\{ x: 0, y: 0 \} \{ x: 3, y: -4 \} 16$/m);
    expect(command.stdout).toMatch(/^data_u32 is 8 \{ x: 5, y: 6 \}$/m);
  } finally {
    await command.end();
  }
});

test('tasks.mjs prints the threads that there are', async () => {
  const command = example('tasks.mjs', join(samples, 'iterators.bpf.o'));
  try {
    expect(await command.exit()).toBe(0);
    expect(command.stderr).toBe('');
    expect(command.stdout).toMatch(new RegExp(`^${process.pid} ${process.pid} `, 'm'));
  } finally {
    await command.end();
  }
});
