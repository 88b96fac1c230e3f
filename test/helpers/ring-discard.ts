// What `bpf-samples/ring_discard.bpf.c` writes into its ring.
import type { Ebpf } from '../../lib/index.js';
import { rawArguments } from './samples.js';

/** Sizes of records, by their number modulo 8. */
const sizes = [16, 1, 9, 64, 4088, 8, 1000, 7777];

/** One run makes at most this many. */
export const mostPerRun = 64;

/** Bytes that a record takes in the ring. */
export function ringBytes(number: number): number {
  return Math.ceil((8 + sizeOf(number)) / 8) * 8;
}

/** Makes `count` records, of which it discards those whose bit is set, and gives the numbers of the others. */
export async function reserve(ebpf: Ebpf, count: number, discards: bigint): Promise<number[]> {
  const first = Number(ebpf.variables['next_number']);
  await ebpf.program('reserve').testRun({ context: rawArguments(count, discards) });
  const numbers = Array.from({ length: count }, (_, index) => first + index);
  return numbers.filter((_, index) => ((discards >> BigInt(index)) & 1n) === 0n);
}

/** A record, in words: what it holds, and how long it is. */
export function seenRecord(record: Uint8Array): string {
  const start = record.length < 4 ? '' : `${String(new Uint32Array(record.slice(0, 4).buffer)[0])} `;
  return `${start}${record.length} bytes …${String(record.at(-1))}`;
}

/** The words of {@link seenRecord} for a record that is whole. */
export function expectedRecord(number: number): string {
  const size = sizeOf(number);
  return `${size < 4 ? '' : `${number} `}${size} bytes …${number & 0xff}`;
}

function sizeOf(number: number): number {
  return sizes[number % sizes.length] ?? 0;
}
