// Programs as bytes, put together by hand: the tests of lib/sys must not depend on the rooms above it.
import { endianness } from 'node:os';

const littleEndian = endianness() === 'LE';

/** One instruction; a 64-bit load of a map takes two. */
export function instruction(opcode: number, target = 0, source = 0, offset = 0, immediate = 0): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint8(1, littleEndian ? target | (source << 4) : (target << 4) | source);
  view.setInt16(2, offset, littleEndian);
  view.setInt32(4, immediate, littleEndian);
  return bytes;
}

export function assemble(...instructions: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(instructions));
}

const move = (target: number, value: number) => instruction(0xb7, target, 0, 0, value);
const copy = (target: number, source: number) => instruction(0xbf, target, source);
const add = (target: number, value: number) => instruction(0x07, target, 0, 0, value);
const storeZero = (offset: number) => instruction(0x7a, 10, 0, offset, 0);
const call = (helper: number) => instruction(0x85, 0, 0, 0, helper);
const exit = instruction(0x95);

/** `return value` */
export const returning = (value: number) => assemble(move(0, value), exit);

/** Reads a register that nothing wrote: the verifier refuses it. */
export const uninitialised = assemble(copy(0, 3), exit);

/** As many instructions, each doing nothing: work for the verifier. */
export function longProgram(length: number): Uint8Array {
  return assemble(move(0, 0), Buffer.alloc((length - 2) * 8, add(0, 1)), exit);
}

/** Where the ring's descriptor goes in {@link emitting}: the byte offset of the immediate. */
export const emittingRingOffset = 4 + 8;

/**
 * A socket filter that writes the first `size` bytes after a packet's Ethernet header into a ring, as one record. It
 * returns what bpf_ringbuf_output returned.
 */
export function emitting(size: number): Uint8Array {
  const room = Math.ceil(size / 8) * 8;
  const zeros = Array.from({ length: room / 8 }, (_, index) => storeZero(-8 * (index + 1)));
  return assemble(
    copy(6, 1),
    // 64-bit load of a map, BPF_PSEUDO_MAP_FD
    instruction(0x18, 7, 1),
    instruction(0),
    ...zeros,
    copy(1, 6),
    move(2, 0),
    copy(3, 10),
    add(3, -room),
    move(4, size),
    call(26), // bpf_skb_load_bytes
    copy(1, 7),
    copy(2, 10),
    add(2, -room),
    move(3, size),
    move(4, 0),
    call(130), // bpf_ringbuf_output
    exit,
  );
}

/** A packet whose bytes after the Ethernet header are `payload`. */
export function packet(payload: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([Buffer.alloc(14), payload]));
}

/** The least BTF there is: one `int`. */
export function intBtf(): Uint8Array {
  const strings = Buffer.from('\0int\0');
  const types = Uint32Array.of(1, 1 << 24, 4, (1 << 24) | 32);
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint16(0, 0xeb9f, littleEndian);
  view.setUint8(2, 1);
  view.setUint32(4, 24, littleEndian);
  view.setUint32(12, types.byteLength, littleEndian);
  view.setUint32(16, types.byteLength, littleEndian);
  view.setUint32(20, strings.byteLength, littleEndian);
  return Uint8Array.from(Buffer.concat([header, new Uint8Array(types.buffer), strings]));
}
