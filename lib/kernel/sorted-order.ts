import { setImmediate as nextTurn } from 'node:timers/promises';

import { lowerBound } from '../binary/index.js';

/** How many numbers are put in order before the event loop gets a turn: some milliseconds. */
const perTurn = 20_000;

/** Numbers in order, and where each of them was. */
export interface SortedOrder {
  readonly sorted: Float64Array;
  /** Those that are equal stay in their order. */
  readonly order: Uint32Array;
}

/** Sorts numbers, of which there may be a million, and gives the event loop its turns. */
export async function sortedOrder(values: Float64Array, signal?: AbortSignal): Promise<SortedOrder> {
  const sorted = values.slice().sort();
  await nextTurn();
  const placed = new Uint32Array(sorted.length);
  const order = new Uint32Array(sorted.length);
  for (let index = 0; index < values.length; index++) {
    if (index % perTurn === perTurn - 1) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    const place = firstAtLeast(sorted, values[index] ?? 0);
    const equal = placed[place] ?? 0;
    placed[place] = equal + 1;
    order[place + equal] = index;
  }
  return { sorted, order };
}

/** The first index whose number is at least `value`. */
export function firstAtLeast(sorted: Float64Array | Uint32Array, value: number): number {
  return lowerBound(sorted.length, (index) => (sorted[index] ?? 0) < value);
}
