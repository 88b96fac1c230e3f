import { setTimeout as sleep } from 'node:timers/promises';

/** So many milliseconds; rejects with the reason of a signal that is aborted meanwhile, resolves early when `wake` is. */
export async function pause(ms: number, signal: AbortSignal | undefined, wake?: AbortSignal): Promise<void> {
  const signals = [signal, wake].filter((each) => each !== undefined);
  try {
    await sleep(ms, undefined, signals.length === 0 ? {} : { signal: AbortSignal.any(signals) });
  } catch (error) {
    if (!signals.some(({ aborted }) => aborted)) throw error;
    signal?.throwIfAborted();
  }
}
