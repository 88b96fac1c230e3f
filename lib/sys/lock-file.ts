import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { trace } from './trace.js';

/** LOCK_EX of include/uapi/asm-generic/fcntl.h; closing the descriptor gives the lock back. */
const LOCK_EX = 2;
const EAGAIN = -constants.errno.EAGAIN;

/**
 * Locks an open file or folder against all others that lock it (flock(2)), until its descriptor is closed.
 *
 * @throws {@link UsageError} `ERR_EBPF_BUSY` when somebody else has it for longer than `timeoutMs`.
 */
export async function lockFile(
  descriptor: number,
  { what, timeoutMs, signal }: { what: string; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    signal?.throwIfAborted();
    const result = trace(`flock(${descriptor})`, addon().lockFile(descriptor, LOCK_EX));
    if (result === 0) return;
    if (result !== EAGAIN) throw new KernelError(`lock ${what}`, 'flock', result);
    if (performance.now() > end) throw UsageError.busy(what, 'another process has had it locked for too long');
    await sleep(pause);
  }
}
