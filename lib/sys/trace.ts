import { debuglog } from 'node:util';

import { errnoName } from '../errors/index.js';

const log = debuglog('ebpf');

/** Whether `NODE_DEBUG=ebpf` asked for every call to be printed; read once, hot calls test it. */
export const tracing: boolean = log.enabled;

/** Prints a call with its result when `NODE_DEBUG=ebpf`; returns the result. */
export function trace(call: string, result: number): number {
  if (tracing) log('%s = %s', call, result < 0 ? errnoName(result) : result);
  return result;
}
