// The environment of test/kernel: a file that leaves BPF objects behind in this process fails, even if all its tests passed.
import { setTimeout as sleep } from 'node:timers/promises';
import { TestEnvironment as NodeEnvironment } from 'jest-environment-node';
import type { Circus } from '@jest/types';

// Without `.js`: Jest loads an environment before its moduleNameMapper counts.
import { heldObjects } from './held-objects';

/** How long closing may still take after the last test: a detach waits for an RCU grace period. */
const graceMs = 2_000;

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
