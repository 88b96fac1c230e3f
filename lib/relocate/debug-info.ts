import { INSTRUCTION_SIZE } from '../asm/index.js';
import { ByteWriter, hostIsLittleEndian } from '../binary/index.js';
import type { LinkedFunctions, PlacedFunction } from './linked-functions.js';

/** `struct bpf_func_info` and `struct bpf_line_info` of include/uapi/linux/bpf.h, in bytes. */
export const FUNCTION_INFO_RECORD_SIZE = 8;
export const LINE_INFO_RECORD_SIZE = 16;

/**
 * The type of each function, by its first instruction. The kernel takes all functions' types or none (`check_btf_func`
 * of kernel/bpf/verifier.c), so one without a type leaves all out.
 */
export function encodeFunctionInfo(functions: LinkedFunctions, littleEndian: boolean): Uint8Array | undefined {
  if (functions.placed.some(({ spec }) => spec.btfTypeId === 0)) return undefined;
  const capacity = functions.placed.length * FUNCTION_INFO_RECORD_SIZE;
  const writer = new ByteWriter({ littleEndian, capacity });
  for (const { spec, start } of functions.placed) writer.u32(start).u32(spec.btfTypeId);
  return writer.toBytes();
}

/**
 * Source lines of all functions. The kernel wants ascending offsets and a line at each function's first instruction
 * (`check_btf_line`), so a function without lines leaves all out.
 */
export function encodeLineInfo(functions: LinkedFunctions, littleEndian: boolean): Uint8Array | undefined {
  if (functions.placed.some(({ spec }) => spec.lines.offsets[0] !== 0)) return undefined;
  const rows = functions.placed.reduce((sum, { spec }) => sum + spec.lines.offsets.length, 0);
  const words = new Uint32Array((rows * LINE_INFO_RECORD_SIZE) / 4);
  let length = 0;
  for (const placed of functions.placed) length = writeLines(placed, words, length);
  if (littleEndian !== hostIsLittleEndian) Buffer.from(words.buffer).swap32();
  return new Uint8Array(words.buffer, 0, length * 4);
}

/** Writes from `start` on, in this machine's byte order: a thousand lines are common. Returns where they end. */
function writeLines({ spec, start: first }: PlacedFunction, words: Uint32Array, start: number): number {
  const { code } = spec;
  const { offsets, fileNames, texts, lineColumns } = spec.lines;
  let at = start;
  for (let row = 0; row < offsets.length; row++) {
    const offset = offsets[row] ?? 0;
    // Of several lines that begin at one instruction the last stands; the second half of a 64-bit load has none.
    const isInstruction = offset % INSTRUCTION_SIZE === 0 && code[offset] !== 0;
    if (!isInstruction || offset === offsets[row + 1]) continue;
    words[at++] = first + offset / INSTRUCTION_SIZE;
    words[at++] = fileNames[row] ?? 0;
    words[at++] = texts[row] ?? 0;
    words[at++] = lineColumns[row] ?? 0;
  }
  return at;
}
