import type { Handle } from '../sys/index.js';

/** A function of another program that a program is loaded to take the place of. @internal */
export interface ReplacedFunction {
  readonly program: Handle;
  /** In the types of that program. */
  readonly functionId: number;
}

/** How a program that was loaded for a dispatcher runs there, by what its object says. @internal */
export interface DispatchDefaults {
  /** Lower ones run first. */
  readonly priority: number;
  /** A bit for each XDP action after which the next program runs. */
  readonly continueOn: number;
  /** Whether it takes packets in several buffers. */
  readonly fragments: boolean;
}
