import { addon } from './addon.js';
import { KernelError } from '../errors/index.js';
import { trace } from './trace.js';

/** RLIMIT_* of include/uapi/asm-generic/resource.h; the same on every architecture that Node runs on but MIPS. */
export const ResourceLimit = { MEMLOCK: 8 } as const;
export type ResourceLimit = (typeof ResourceLimit)[keyof typeof ResourceLimit];

/** RLIM_INFINITY */
export const unlimited: bigint = 0xffff_ffff_ffff_ffffn;

/** What a process may use: `soft` counts, and can be raised as far as `hard`. */
export interface Limits {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A limit of this process. */
export function readLimit(resource: ResourceLimit): Limits {
  const limits = new BigUint64Array(2);
  const result = addon().resourceLimit(resource, limits, false);
  if (result < 0) throw new KernelError('read a resource limit', 'getrlimit', result);
  const [soft = 0n, hard = 0n] = limits;
  return { soft, hard };
}

/** Changes a limit of this process, all its threads included. Returns 0, or -EPERM without CAP_SYS_RESOURCE. */
export function setLimit(resource: ResourceLimit, { soft, hard }: Limits): number {
  return trace(`setrlimit(${resource})`, addon().resourceLimit(resource, BigUint64Array.of(soft, hard), true));
}
