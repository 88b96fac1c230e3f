import { objectInfo, type Handle } from '../sys/index.js';

import type { SlotConfig } from './dispatcher-config.js';

/** A program that is in a dispatcher, or is to be. */
export interface Component extends SlotConfig {
  readonly handle: Handle;
  readonly id: number;
  /** As the kernel has it, of at most 15 characters. */
  readonly name: string;
  readonly tag: string;
  readonly loadTime: bigint;
}

/** A component of a program that was loaded as one. */
export function componentOf(handle: Handle, config: SlotConfig): Component {
  const { id, name, tag, loadTime } = objectInfo(handle, 'program');
  const { priority, continueOn, fragments } = config;
  return { handle, id, name, tag, loadTime, priority, continueOn, fragments };
}

/** In the order in which they run; with the same priority by name, by tag, and by when they were loaded. */
export function inRunOrder(components: readonly Component[]): Component[] {
  return [...components].sort(
    (a, b) => a.priority - b.priority || order(a.name, b.name) || order(a.tag, b.tag) || order(a.loadTime, b.loadTime),
  );
}

function order<Value extends string | bigint>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
