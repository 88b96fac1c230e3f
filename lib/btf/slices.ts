import { setImmediate } from 'node:timers/promises';

/** Items done between two looks at the clock: a fraction of a millisecond even in code that is not compiled yet. */
const itemsPerLook = 512;

/**
 * Calls `work` until it returns true, giving the event loop a turn whenever `milliseconds` have passed. `work` does up
 * to the given number of items.
 */
export async function inSlices(
  work: (items: number) => boolean,
  options: { readonly milliseconds: number; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { milliseconds, signal } = options;
  for (;;) {
    signal?.throwIfAborted();
    const end = Date.now() + milliseconds;
    do {
      if (work(itemsPerLook)) return;
    } while (Date.now() < end);
    await setImmediate();
  }
}
