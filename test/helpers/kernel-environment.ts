// The environment of test/kernel: a file that leaves BPF objects behind in this process fails, even if all its tests passed.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestEnvironment as NodeEnvironment } from 'jest-environment-node';
import type { Circus } from '@jest/types';

/** How long closing may still take after the last test: a detach waits for an RCU grace period. */
const graceMs = 2_000;

/** Every descriptor and mapping of this process that keeps something of BPF alive, in words, keyed so that reuse is noticed. */
function heldObjects(): Map<string, string> {
  const held = new Map<string, string>();
  for (const descriptor of readdirSync('/proc/self/fd')) {
    let target: string;
    let info: string;
    try {
      target = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (!/^anon_inode:\[?(?:bpf|btf|perf_event)/u.test(target)) continue;
      info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
    } catch {
      // Closed while we looked, as the one of readdir itself always is.
      continue;
    }
    const facts = info
      .split('\n')
      .filter((line) => /^(?:map_type|map_id|prog_type|prog_id|link_type|link_id|btf_id|attach_type):/u.test(line))
      .map((line) => line.replace(/\s+/gu, ' '))
      .join(', ');
    held.set(`descriptor ${descriptor} ${target} ${facts}`, `${target} ${facts}`);
  }
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    if (/anon_inode:\[?(?:bpf|perf_event)/u.test(line))
      held.set(`mapping ${line}`, `mapping ${line.replace(/\s+/gu, ' ')}`);
  }
  return held;
}

export default class KernelEnvironment extends NodeEnvironment {
  #before: ReadonlyMap<string, string> = new Map();
  #skipAll = false;

  override async setup(): Promise<void> {
    await super.setup();
    const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
    if (!isRoot && process.env['EBPF_REQUIRE_ROOT'] === '1') {
      throw new Error('EBPF_REQUIRE_ROOT=1, but the kernel suite is not run by root on Linux');
    }
    this.#skipAll = !isRoot;
    if (isRoot) this.#before = heldObjects();
  }

  async handleTestEvent(event: Circus.AsyncEvent | Circus.SyncEvent, state: Circus.State): Promise<void> {
    if (event.name === 'test_start' && this.#skipAll) {
      event.test.name += ' [skipped: needs root]';
      event.test.mode = 'skip';
    }
    if (event.name !== 'run_finish' || this.#skipAll) return;
    const deadline = Date.now() + graceMs;
    for (;;) {
      const left = [...heldObjects()].filter(([key]) => !this.#before.has(key)).map(([, words]) => `  ${words}`);
      if (left.length === 0) return;
      if (Date.now() >= deadline) {
        const error = new Error(`this test file left behind, in this process:\n${left.join('\n')}`);
        error.stack = `Error: ${error.message}`;
        state.unhandledErrors.push(error);
        return;
      }
      await sleep(50);
    }
  }
}
