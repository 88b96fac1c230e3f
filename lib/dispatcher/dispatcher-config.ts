import { ByteReader, ByteWriter, hostIsLittleEndian as littleEndian } from '../binary/index.js';
import { UnsupportedError } from '../errors/index.js';

// `struct xdp_dispatcher_config` of libxdp's protocol (lib/libxdp/protocol.org and headers/xdp/prog_dispatcher.h of xdp-tools).

/** How many programs a dispatcher can have. */
export const mostPrograms = 10;
/** 'X' + 'D' + 'P' */
const MAGIC = 236;
/** What stubs return, so that a packet goes on where no program is. */
export const STUB_RESULT = 31;
/** What is made where there is none yet: older and newer libxdp know it. */
export const defaultVersion = 2;
/** Version 3 has one more byte, and with it padding. */
const sizes: ReadonlyMap<number, number> = new Map([
  [2, 4 + 3 * 4 * mostPrograms],
  [3, 8 + 3 * 4 * mostPrograms],
]);
/** BPF_F_XDP_HAS_FRAGS of include/uapi/linux/bpf.h. */
export const fragmentsFlag = 32;

/** Where the four bytes are that say after which results of a program the next one runs. */
export const continueOffset = (slot: number): number => 4 + 4 * slot;

/** Those of which a dispatcher can be read and made. */
export const knownVersions: readonly number[] = [...sizes.keys()];

/** One program of a dispatcher. */
export interface SlotConfig {
  /** Lower ones run first. */
  readonly priority: number;
  /** A bit for each XDP action after which the next program runs. */
  readonly continueOn: number;
  /** Whether it takes packets in several buffers. */
  readonly fragments: boolean;
}

export interface DispatcherConfig {
  readonly version: number;
  readonly slots: readonly SlotConfig[];
}

/** Whether a dispatcher may take packets in several buffers: when all its programs do. */
export function takesFragments({ slots }: DispatcherConfig): boolean {
  return slots.length > 0 && slots.every(({ fragments }) => fragments);
}

/** The value of the dispatcher's only map; `fragments` says what it was loaded with. */
export function encodeConfig({ version, slots }: DispatcherConfig, fragments: boolean): Uint8Array {
  const all = Array.from({ length: mostPrograms }, (_, index) => slots[index]);
  const writer = new ByteWriter({ littleEndian })
    .u8(MAGIC)
    .u8(version)
    .u8(slots.length)
    .u8(fragments ? 1 : 0);
  for (const slot of all) writer.u32(slot === undefined ? 0 : (slot.continueOn | (1 << STUB_RESULT)) >>> 0);
  for (const slot of all) writer.u32(slot?.priority ?? 0);
  for (const slot of all) writer.u32(slot?.fragments === true ? fragmentsFlag : 0);
  while (writer.length < (sizes.get(version) ?? 0)) writer.u8(0);
  return writer.toBytes();
}

/**
 * What the map of a dispatcher says; undefined when it is not one's.
 *
 * @throws {@link UnsupportedError} for versions of the protocol that are not known, and for dispatchers that are bound to a card.
 */
export function decodeConfig(value: Uint8Array): DispatcherConfig | undefined {
  const [magic, version = 0, count = 0] = value;
  if (magic !== MAGIC) return undefined;
  const size = sizes.get(version);
  if (size === undefined) {
    throw new UnsupportedError(`version ${version} of XDP dispatchers`, 'versions 2 and 3 are known here');
  }
  if (value.byteLength < size || count > mostPrograms) return undefined;
  const table = 4 * mostPrograms;
  if (version === 3 && value[4 + 3 * table] !== 0) {
    throw new UnsupportedError('XDP dispatchers bound to a network card', 'this one was loaded for its card');
  }
  const reader = new ByteReader(value, { littleEndian, object: 'xdp_dispatcher_config' });
  const slots = Array.from({ length: count }, (_, index) => ({
    continueOn: (reader.u32(continueOffset(index)) & ~(1 << STUB_RESULT)) >>> 0,
    priority: reader.u32(4 + table + 4 * index),
    fragments: (reader.u32(4 + 2 * table + 4 * index) & fragmentsFlag) !== 0,
  }));
  return { version, slots };
}
