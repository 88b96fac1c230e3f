import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';

/** `enum xdp_action` of include/uapi/linux/bpf.h, in its order. */
const actions = ['aborted', 'drop', 'pass', 'tx', 'redirect'] as const;

/** What an XDP program says about a packet. */
export type XdpAction = (typeof actions)[number];

/** The actions of a set with a bit for each. */
export function actionsOf(bits: number): XdpAction[] {
  return actions.filter((_, action) => (bits & (1 << action)) !== 0);
}

export function bitsOf(path: string, given: readonly XdpAction[]): number {
  let bits = 0;
  for (const action of given) {
    const number = actions.indexOf(action);
    if (number < 0) {
      const names = actions.map((name) => `'${name}'`).join(', ');
      throw UsageError.invalidValue(path, `must be of ${names}, not ${inspect(action)}`);
    }
    bits |= 1 << number;
  }
  return bits;
}

/** The bit of an action as C calls it: `XDP_PASS`. 0 for another name. */
export function bitOfConstant(name: string): number {
  const number = actions.findIndex((action) => name === `XDP_${action.toUpperCase()}`);
  return number < 0 ? 0 : 1 << number;
}
