import { inspect } from 'node:util';

import { UsageError } from './usage-error.js';

/** Refuses options that nobody knows: what was misspelt must not be lost. `what` is such as `option of Ebpf.load`. */
export function requireKnown(what: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw UsageError.notFound(what, name, known);
  }
}

/** A number that the kernel takes in 32 bits. */
export function unsigned32(path: string, value: unknown, least: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= 0xffff_ffff) return value;
  throw UsageError.invalidValue(path, `must be a whole number from ${least} to 4294967295, not ${inspect(value)}`);
}
