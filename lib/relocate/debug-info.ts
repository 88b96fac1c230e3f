import { INSTRUCTION_SIZE } from '../asm/index.js';
import { ByteWriter } from '../binary/index.js';
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
  const writer = new ByteWriter({ littleEndian, capacity: rows * LINE_INFO_RECORD_SIZE });
  for (const placed of functions.placed) encodeLines(placed, writer);
  return writer.toBytes();
}

function encodeLines({ spec, start }: PlacedFunction, writer: ByteWriter): void {
  const { offsets, fileNames, texts, lineColumns } = spec.lines;
  for (const [row, offset] of offsets.entries()) {
    // Of several lines that begin at one instruction the last stands; the second half of a 64-bit load has none.
    const isInstruction = offset % INSTRUCTION_SIZE === 0 && spec.code[offset] !== 0;
    if (!isInstruction || offset === offsets[row + 1]) continue;
    writer.u32(start + offset / INSTRUCTION_SIZE);
    writer
      .u32(fileNames[row] ?? 0)
      .u32(texts[row] ?? 0)
      .u32(lineColumns[row] ?? 0);
  }
}
