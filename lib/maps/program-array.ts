import { BpfCommand, MapType } from '../abi/index.js';
import { u32 } from '../codec/index.js';
import { deleteAsync, requireHandle, updateHandleAsync, type HeldObject } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { ENOENT } from './errno.js';
import { heldProgramFailure } from './held-failure.js';
import { filledSlots, indexKey, slotId, slotKey } from './slots.js';

/**
 * An array of programs, to which others jump with `bpf_tail_call`: a jump to an empty slot is not taken. All programs in an
 * array are of one kind, that of the first which was loaded with the array or put into it. The kernel empties an array
 * when nobody but programs holds it any more: keep it open, or pin it. Least kernel: 4.2.
 *
 * @example
 * ```js
 * const parsers = ebpf.map('parsers', ProgramArray);
 * await parsers.set(6, ebpf.program('parse_tcp'));
 * ```
 */
export class ProgramArray extends BpfMap {
  /** `map` as an array of programs. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): ProgramArray {
    if (map instanceof ProgramArray) return map;
    throw wrongKind(map, 'ProgramArray');
  }

  /**
   * Makes an array without an object, such as one that several objects are loaded with.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const parsers = await ProgramArray.create({ maxEntries: 256 });
   * const ebpf = await Ebpf.load('parser.bpf.o', { maps: { parsers } });
   * ```
   */
  static async create(options: NewMapOptions): Promise<ProgramArray> {
    return ProgramArray.from(await createMap({ type: MapType.PROG_ARRAY, key: u32, value: u32 }, options));
  }

  /** How many slots there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Puts a program into a slot, in place of what is there. It stays loaded as long as it is in the array. The kernel may wait
   * for programs that run: milliseconds, off the event loop.
   *
   * @throws {@link UsageError} when `index` is past the end, or the program is not of the kind of those in the array: it says
   * what differs; {@link KernelError}, such as EPERM when the map is frozen.
   */
  async set(index: number, program: HeldObject): Promise<void> {
    const key = slotKey(this, index);
    const { handle } = this;
    const held = requireHandle('program', program, 'program');
    const errno = await updateHandleAsync(handle, key, held, 0);
    if (errno < 0) throw heldProgramFailure(this.details, held, `slot ${index}`, errno);
  }

  /**
   * Empties a slot; false when it was empty. The kernel waits until no program can still jump to what was there:
   * milliseconds, off the event loop.
   */
  async delete(index: number): Promise<boolean> {
    const key = slotKey(this, index);
    const errno = await deleteAsync(this.handle, key);
    if (errno === ENOENT) return false;
    if (errno < 0)
      throw callFailure(this.details, `empty slot ${index} of`, BpfCommand.MAP_DELETE_ELEM, errno, { key });
    return true;
  }

  /** Whether there is a program in the slot. */
  has(index: number): boolean {
    return this.programId(index) !== undefined;
  }

  /** The id of the program in the slot, which is in {@link Program.info} too; undefined for an empty one. */
  programId(index: number): number | undefined {
    return slotId(this, indexKey(index));
  }

  /** The slots with programs, in order, each with the program's id. One system call for each slot. */
  ids(): IterableIterator<[number, number]> {
    return filledSlots(this);
  }
}
