import { EbpfError, quote } from '../errors/index.js';
import { explainPermission, type Capability } from '../kernel/index.js';

/** Turns EPERM and EACCES of an attach into what stands in the way; other errors stay as they are. */
export function attachFailure(
  error: unknown,
  program: string,
  target: string,
  capabilities: readonly Capability[],
  perf = false,
): unknown {
  if (!EbpfError.is(error) || (error.errnoName !== 'EPERM' && error.errnoName !== 'EACCES')) return error;
  if (error.code === 'ERR_EBPF_PERMISSION') return error;
  return explainPermission(error, { what: `attach program ${quote(program)} to ${target}`, capabilities, perf });
}

/**
 * Ends an attach whose signal was aborted while the kernel worked: what was made is undone, so that a rejection always
 * means that nothing is attached.
 */
export async function abortIfAsked(signal: AbortSignal | undefined, undo: () => Promise<void>): Promise<void> {
  if (signal?.aborted !== true) return;
  await undo();
  throw signal.reason;
}
