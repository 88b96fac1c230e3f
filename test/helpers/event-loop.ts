// For how long the event loop is held.
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface HeldLoop {
  /** The longest time, in milliseconds, that this thread computed between two turns. */
  readonly longest: number;
  /** How many turns there were. What is done at a stretch leaves two or three. */
  readonly turns: number;
}

/** How the event loop is held while `work` is under way. */
export async function heldBy(work: () => Promise<unknown>): Promise<HeldLoop> {
  const state = { over: false };
  const done = work().finally(() => (state.over = true));
  let [longest, turns] = [0, 0];
  for (let before = computed(); !state.over; turns++) {
    await nextTurn();
    const now = computed();
    longest = Math.max(longest, now - before);
    before = now;
  }
  await done;
  return { longest, turns };
}

/**
 * The parts of some work that held the event loop too long, or did not give it more than `atLeast` turns: at a stretch there are two
 * or three. Tried up to three times: what others do on the processor only adds.
 */
export async function heldTooLong(work: () => Promise<Record<string, HeldLoop>>, atLeast = 4): Promise<string[]> {
  let found: string[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const allowed = longestHold();
    found = Object.entries(await work()).flatMap(([part, { longest, turns }]) =>
      longest < allowed && turns > atLeast ? [] : [`${part}: ${longest} of ${allowed} ms, ${turns} turns`],
    );
    if (found.length === 0) break;
  }
  return found;
}

/** Milliseconds on a processor: what others do on it meanwhile is not this thread's. */
export function computed(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
}

/** What {@link task} takes on a usual processor, in milliseconds. */
const usualTask = 3;

/** For how long, in milliseconds, the loop may be held: 40 on a usual processor, and as much longer as this one takes for a fixed task. */
function longestHold(): number {
  const times = Array.from({ length: 5 }, () => {
    const before = computed();
    task();
    return computed() - before;
  });
  return 40 * Math.max(1, Math.min(...times) / usualTask);
}

/** Strings, patterns and a map: of the kind that attaching does. */
function task(): void {
  const counts = new Map<string, number>();
  for (let index = 0; index < 20_000; index++) {
    const name = `function_${index % 7000}`;
    if (/_\d*[1-8]/.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) throw new Error('nothing was counted');
}
