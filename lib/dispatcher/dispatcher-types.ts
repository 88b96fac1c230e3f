import { hostIsLittleEndian as littleEndian, ByteWriter } from '../binary/index.js';
import { BtfBuilder } from '../btf/index.js';

/** BTF_FUNC_GLOBAL and BTF_VAR_GLOBAL_ALLOCATED: only global functions can be replaced. */
const GLOBAL = 1;

/** The types of a dispatcher, which the kernel wants of programs whose functions are replaced. */
export interface DispatcherTypes {
  readonly bytes: Uint8Array;
  readonly main: number;
  /** The functions to be replaced, by slot. */
  readonly slots: readonly number[];
}

export function dispatcherTypes(slots: number, version: number): DispatcherTypes {
  const builder = new BtfBuilder({ littleEndian });
  const int = builder.addInt('int', { size: 4, signed: true });
  const u32 = builder.addInt('unsigned int', { size: 4 });
  // The kernel compares the names of structs alone.
  const members = ['data', 'data_end', 'data_meta', 'ingress_ifindex', 'rx_queue_index', 'egress_ifindex'];
  const context = builder.addStruct(
    'xdp_md',
    4 * members.length,
    members.map((name, index) => ({ name, type: u32, bitOffset: 32 * index, bitSize: 0 })),
  );
  const prototype = builder.addFunctionPrototype(int, [{ name: 'ctx', type: builder.addPointer(context) }]);
  const main = builder.addFunction('xdp_dispatcher', prototype, GLOBAL);
  const functions = Array.from({ length: slots }, (_, slot) => builder.addFunction(`prog${slot}`, prototype, GLOBAL));
  // Where libxdp before 1.3 looks for the version: the length of an array.
  const length = builder.addPointer(builder.addArray(int, u32, version));
  const variable = builder.addVariable('dispatcher_version', length, GLOBAL);
  builder.addDataSection('xdp_metadata', 8, [{ type: variable, offset: 0, size: 8 }]);
  return { bytes: builder.encode(), main, slots: functions };
}

/** `struct bpf_func_info` of each function: where it begins, in instructions, and its type. */
export function functionInfo(functions: readonly (readonly [start: number, type: number])[]): Uint8Array {
  const writer = new ByteWriter({ littleEndian });
  for (const [start, type] of functions) writer.u32(start).u32(type);
  return writer.toBytes();
}
