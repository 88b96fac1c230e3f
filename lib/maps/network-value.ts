import { inspect } from 'node:util';

import { KernelError, UsageError, quote } from '../errors/index.js';
import { openNetworkNamespace, type NetworkNamespaceSource } from '../kernel/index.js';
import { mapUpdateNetwork, requireHandle, type Handle, type HeldObject } from '../sys/index.js';

import type { BpfMap } from './bpf-map.js';

/**
 * Why the kernel refuses a program in a map: bpf_prog_map_compatible in kernel/bpf/core.c wants all that use the map alike. `section`
 * is that of programs of such maps. @internal
 */
export function programRefusal(section: string): string {
  return `the program is not of section ${section}, or only one of it and of those that redirect to the map is of xdp.frags`;
}

/** The values of maps of devices and processors: a number, and since Linux 5.8 and 5.9 a program. */
const programOffset = 4;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** What is stored: a number, and a program that runs on what is redirected there. @internal */
export interface NetworkValue {
  readonly number: number;
  readonly program: HeldObject | undefined;
  readonly netns?: NetworkNamespaceSource | undefined;
  readonly flags?: number | undefined;
}

/** Stores a value; false when `flags` forbid it. Throws what `explain` makes of the kernel's refusal. @internal */
export function storeNetworkValue(
  map: BpfMap,
  key: Uint8Array,
  { number, program, netns, flags }: NetworkValue,
  explain: (errnoName: string) => string | undefined,
): boolean {
  const value = new Uint8Array(map.valueSize);
  value.set(new Uint8Array(Uint32Array.of(number).buffer));
  const handle = program === undefined ? undefined : programHandle(map, program);
  const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
  try {
    const part = handle === undefined ? undefined : { offset: programOffset, handle };
    const result = mapUpdateNetwork(map.handle, { key, value, program: part, flags, networkNamespace });
    if (result === 0) return true;
    const failure = new KernelError(`update map ${quote(map.name)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
    if (failure.errnoName === 'EEXIST' && flags !== undefined && flags !== 0) return false;
    const problem = explain(failure.errnoName);
    throw problem === undefined ? failure : UsageError.invalidValue('value', problem, { cause: failure });
  } finally {
    networkNamespace?.close();
  }
}

function programHandle(map: BpfMap, program: HeldObject): Handle {
  const handle = requireHandle('value.program', program, 'program');
  if (map.valueSize > programOffset) return handle;
  throw UsageError.invalidValue(
    'value.program',
    `values of map ${quote(map.name)} have ${map.valueSize} bytes, in which a program has no room; declare them as struct ` +
      'bpf_devmap_val or bpf_cpumap_val',
  );
}

/** The number and, unless there is none, the program's id that the kernel gives of a value. @internal */
export function readNetworkValue(view: DataView, offset: number, size: number): [number: number, programId?: number] {
  const number = view.getUint32(offset, littleEndian);
  const programId = size > programOffset ? view.getUint32(offset + programOffset, littleEndian) : 0;
  return programId === 0 ? [number] : [number, programId];
}

/** A whole number within bounds, of a value that a caller gave. @internal */
export function requireNumber(path: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw UsageError.invalidValue(path, `must be a whole number from ${least} to ${most}, not ${String(value)}`);
}

/** The value that a caller gave as an object. @internal */
export function requireObject<Value extends object>(value: Value): Value {
  if (typeof value === 'object' && (value as unknown) !== null) return value;
  throw UsageError.invalidValue('value', `must be an object, not ${inspect(value)}`);
}
