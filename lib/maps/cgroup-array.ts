import { BpfCommand, MapType } from '../abi/index.js';
import { u32 } from '../codec/index.js';
import { cgroupFailure, openCgroup, type CgroupSource } from '../kernel/index.js';
import { mapUpdateHandle } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { slotKey } from './slots.js';

/**
 * An array of cgroups, of which programs ask whether the current task (`bpf_current_task_under_cgroup`) or a packet's socket
 * (`bpf_skb_under_cgroup`) is in one of them or below it. What is in it the kernel does not tell. It belongs to cgroup2 file
 * systems. Least kernel: 4.8.
 *
 * @example
 * ```js
 * ebpf.map('watched', CgroupArray).set(0, '/sys/fs/cgroup/my.slice');
 * ```
 */
export class CgroupArray extends BpfMap {
  /** `map` as an array of cgroups. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): CgroupArray {
    if (map instanceof CgroupArray) return map;
    throw wrongKind(map, 'CgroupArray');
  }

  /**
   * Makes an array without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const watched = await CgroupArray.create({ name: 'watched', maxEntries: 4 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<CgroupArray> {
    return CgroupArray.from(await createMap({ type: MapType.CGROUP_ARRAY, key: u32, value: u32 }, options));
  }

  /** How many slots there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Puts a cgroup into a slot, in place of what is there: the path of its directory, or that directory, open, which is needed
   * for the call only. A cgroup that is removed while it is in the array stays in it, without processes.
   *
   * @throws {@link UsageError} when `index` is past the end or there is no such cgroup; {@link KernelError}.
   */
  set(index: number, cgroup: CgroupSource): void {
    const key = slotKey(this, index);
    const { handle } = this;
    const directory = openCgroup(cgroup);
    let errno;
    try {
      errno = mapUpdateHandle(handle, key, directory, 0);
    } finally {
      directory.close();
    }
    if (errno === 0) return;
    const failure = callFailure(this.details, `fill slot ${index} of`, BpfCommand.MAP_UPDATE_ELEM, errno, { key });
    throw cgroupFailure(failure, cgroup);
  }

  /** Empties a slot; false when it was empty. */
  delete(index: number): boolean {
    return this.raw.delete(slotKey(this, index));
  }
}
