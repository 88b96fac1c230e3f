import fc from 'fast-check';

import { examine, type Outcome } from './examine.js';
import { edits, mutated } from './mutate.js';
import { seedObjects } from './seed-objects.js';

export interface SearchOptions {
  readonly runs: number;
  readonly seed: number;
  /** Where in the runs of that seed to begin: what a failure prints. */
  readonly path?: string | undefined;
  /** Called before each run. */
  readonly onRun?: () => void;
}

/**
 * Mutates objects, and every eighth time the kernel's BTF, and examines each.
 *
 * @throws when an object brings the library down, with the seed and the smallest damage that does.
 */
export function search({ runs, seed, path, onRun }: SearchOptions): Record<Outcome, number> {
  const objects = seedObjects();
  const outcomes: Record<Outcome, number> = { refused: 0, read: 0, relocated: 0 };
  // Some hundred thousand errors are made; their stacks would take most of the time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    fc.assert(
      fc.property(fc.constantFrom(...objects.keys()), edits, fc.nat(7), (index, changes, side) => {
        onRun?.();
        const object = objects[index];
        if (object === undefined) return;
        if (side === 0) outcomes[examine(object.bytes, mutated(object.kernel, changes))]++;
        else outcomes[examine(mutated(object, changes), object.kernel.bytes)]++;
      }),
      { numRuns: runs, seed, includeErrorInReport: true, ...(path === undefined ? {} : { path }) },
    );
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return outcomes;
}
