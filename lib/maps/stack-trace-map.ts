import { MapFlag } from '../abi/index.js';
import { hostIsLittleEndian, u32, type EntryCodec } from '../codec/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { EntryStore } from './entry-store.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/** A place in a file of code: what stays the same wherever the file is mapped, on every machine. */
export interface BuildIdFrame {
  readonly status: 'valid';
  /** The file's GNU build id in hexadecimal digits, as `readelf -n` prints it, with zeros behind it up to 20 bytes. */
  readonly buildId: string;
  /** Bytes from the beginning of the file. */
  readonly offset: bigint;
}

/** A place in memory whose file has no build id, or whose file the kernel could not read at that moment. */
export interface AddressFrame {
  readonly status: 'ip';
  readonly ip: bigint;
}

/** A function on a stack: its address, or where it is in its file of a map with `MapFlag.STACK_BUILD_ID`. */
export type StackFrame = bigint | BuildIdFrame | AddressFrame;

/** Of include/uapi/linux/bpf.h: `struct bpf_stack_build_id` and its status. */
const BuildIdStatus = { EMPTY: 0, VALID: 1, IP: 2 } as const;
const buildIdBytes = 20;
const buildIdFrameBytes = 32;
const addressBytes = 8;

/**
 * Stacks that programs stored with `bpf_get_stackid`, by id: the frames from the innermost function outwards. A stack that
 * happens again keeps its id. When the map is full, or two stacks meet at one place, the program gets an error in place of
 * an id, so take out what was read. Least kernel: 4.6; build ids 4.17.
 *
 * @example
 * ```js
 * const stacks = ebpf.map('stacks', StackTraceMap.addresses);
 * for (const [id, frames] of stacks) console.log(id, frames.map((address) => address.toString(16)));
 * ```
 */
export class StackTraceMap<Frame extends StackFrame = StackFrame> extends BpfMap {
  /** Stacks of addresses: of a map without `MapFlag.STACK_BUILD_ID`. */
  static readonly addresses: TypedMapKind<StackTraceMap<bigint>> = typedKind((map) => {
    return StackTraceMap.#withBuildIds(map, false) as StackTraceMap<bigint>;
  });

  /** Stacks of places in files: of a map with `MapFlag.STACK_BUILD_ID`. */
  static readonly buildIds: TypedMapKind<StackTraceMap<BuildIdFrame | AddressFrame>> = typedKind((map) => {
    return StackTraceMap.#withBuildIds(map, true) as StackTraceMap<BuildIdFrame | AddressFrame>;
  });

  readonly #stacks: EntryStore<number, Frame[], number, never>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#stacks = new EntryStore(this, { defaultKey: () => u32, wholeValue: () => framesCodec(details) });
  }

  /** `map` as a map of stacks. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): StackTraceMap {
    if (map instanceof StackTraceMap) return map as StackTraceMap;
    throw wrongKind(map, 'StackTraceMap');
  }

  static #withBuildIds(map: BpfMap, wanted: boolean): StackTraceMap {
    const stacks = StackTraceMap.from(map);
    if (hasBuildIds(stacks) === wanted) return stacks;
    const [has, ask] = wanted ? ['addresses', 'addresses'] : ['build ids', 'buildIds'];
    throw UsageError.invalidValue(`map ${quote(map.name)}`, `its frames have ${has}; ask for StackTraceMap.${ask}`);
  }

  /** The most frames of a stack. */
  get depth(): number {
    return this.valueSize / (hasBuildIds(this) ? buildIdFrameBytes : addressBytes);
  }

  /** The frames of a stack, innermost first; undefined when there is none with that id, which a program got as a number from 0. */
  get(id: number): Frame[] | undefined {
    return this.#stacks.get(id);
  }

  /** Whether there is a stack with that id. */
  has(id: number): boolean {
    return this.#stacks.has(id);
  }

  /** Removes a stack; false when there is none with that id. */
  delete(id: number): boolean {
    return this.#stacks.delete(id);
  }

  /**
   * Removes a stack and returns its frames; undefined when there is none with that id. One step since Linux 6.18; before,
   * the stack is read and then removed, which makes a difference only when programs replace stacks (`BPF_F_REUSE_STACKID`).
   */
  take(id: number): Frame[] | undefined {
    try {
      return this.#stacks.take(id);
    } catch (error) {
      if (!EbpfError.is(error) || error.code !== 'ERR_EBPF_UNSUPPORTED') throw error;
    }
    const frames = this.#stacks.get(id);
    if (frames !== undefined) this.#stacks.delete(id);
    return frames;
  }

  /** Removes every stack that is there now. */
  clear(): void {
    this.#stacks.clear();
  }

  /** Every id, in ascending order. */
  keys(): IterableIterator<number> {
    return this.#stacks.keys();
  }

  /** Every stack. */
  values(): IterableIterator<Frame[]> {
    return this.#stacks.values();
  }

  /** Every id with its stack. */
  entries(): IterableIterator<[number, Frame[]]> {
    return this.#stacks.entries();
  }

  /** The same as {@link StackTraceMap.entries}. */
  [Symbol.iterator](): IterableIterator<[number, Frame[]]> {
    return this.entries();
  }
}

function hasBuildIds({ flags }: { readonly flags: number }): boolean {
  return (flags & MapFlag.STACK_BUILD_ID) !== 0;
}

/** The kernel writes zeros behind the last frame of a stack that is not as deep as the map takes. */
function framesCodec(details: MapDetails): EntryCodec<unknown> {
  const buildIds = hasBuildIds(details);
  const step = buildIds ? buildIdFrameBytes : addressBytes;
  const decodeFrame = buildIds ? buildIdFrame : address;
  return {
    typeName: 'stack',
    size: details.valueSize,
    decode(view, offset) {
      const frames: StackFrame[] = [];
      for (let at = offset; at < offset + details.valueSize; at += step) {
        const frame = decodeFrame(view, at);
        if (frame === undefined) break;
        frames.push(frame);
      }
      return frames;
    },
    encode() {
      throw new Error('the kernel takes no stacks from user space');
    },
  };
}

function address(view: DataView, at: number): bigint | undefined {
  return view.getBigUint64(at, hostIsLittleEndian) || undefined;
}

function buildIdFrame(view: DataView, at: number): BuildIdFrame | AddressFrame | undefined {
  const status = view.getInt32(at, hostIsLittleEndian);
  const value = view.getBigUint64(at + 4 + buildIdBytes, hostIsLittleEndian);
  if (status === BuildIdStatus.EMPTY) return undefined;
  if (status !== BuildIdStatus.VALID) return { status: 'ip', ip: value };
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at + 4, buildIdBytes);
  return { status: 'valid', buildId: Buffer.from(bytes).toString('hex'), offset: value };
}
