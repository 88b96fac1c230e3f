import { inspect } from 'node:util';

import { AttachType, ProgramType } from '../abi/index.js';
import { UsageError, quote } from '../errors/index.js';
import { networkNamespaceId, withInterface } from '../kernel/index.js';
import type { ProgramSpec } from '../object/index.js';
import type { DeviceOfLoad } from '../sys/index.js';

import { interfaceTarget, type InterfaceOptions } from './interface-target.js';

/** The network interface that an XDP program is loaded for, and attached to afterwards. */
export interface ProgramDevice extends InterfaceOptions {
  /**
   * Who runs it:
   *
   * - `'bound'`: this machine, for that interface alone. The program may then ask the driver what it knows of a packet, by
   *   `bpf_xdp_metadata_rx_timestamp()`, `…_rx_hash()` and `…_rx_vlan_tag()`. Least kernel: 6.3.
   * - `'offload'`: the network card, which has the program's maps too. It is attached with the mode of that name.
   */
  readonly mode: 'bound' | 'offload';
}

/** An interface that a program is loaded for, for as long as the load takes. @internal */
export interface LoadDevice extends DeviceOfLoad {
  readonly mode: ProgramDevice['mode'];
  /** `eth0 in /run/netns/web`, for people. */
  readonly words: string;
  /** The number of its network namespace. */
  readonly namespaceId: number;
}

const modes: readonly string[] = ['bound', 'offload'];

/** @throws {@link UsageError} where a program cannot be loaded for an interface. @internal */
export function requireDevice(path: string, program: ProgramSpec, device: unknown): ProgramDevice {
  if (program.type !== ProgramType.XDP || (program.attachType !== AttachType.XDP && program.attachType !== 0)) {
    const problem = `section ${quote(program.section)} is not of XDP programs of interfaces: no other is loaded for one`;
    throw UsageError.invalidValue(path, problem);
  }
  if (typeof device !== 'object' || device === null) {
    throw UsageError.invalidValue(path, `must be { interface, mode }, not ${inspect(device)}`);
  }
  const { mode } = device as Partial<ProgramDevice>;
  if (mode === undefined || !modes.includes(mode)) {
    throw UsageError.invalidValue(`${path}.mode`, `must be 'bound' or 'offload', not ${inspect(mode)}`);
  }
  return device as ProgramDevice;
}

/** Calls `use` with the interfaces that programs, by name, are loaded for. @internal */
export async function withDevices<Result>(
  wanted: ReadonlyMap<string, ProgramDevice>,
  use: (found: ReadonlyMap<string, LoadDevice>) => Promise<Result>,
): Promise<Result> {
  const found = new Map<string, LoadDevice>();
  const findAll = async ([next, ...others]: readonly (readonly [string, ProgramDevice])[]): Promise<Result> => {
    if (next === undefined) return use(found);
    const [program, { mode, ...where }] = next;
    const target = interfaceTarget('', where);
    return withInterface(target.interface, target.netns, async (device) => {
      const namespaceId = networkNamespaceId(target.netns);
      found.set(program, { ...device, mode, words: target.words.trimStart(), namespaceId });
      return findAll(others);
    });
  };
  return findAll([...wanted]);
}
