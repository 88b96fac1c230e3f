import { FuncInfo, LineInfo, ProgInfo as Layout } from '../abi/index.js';
import type { Handle } from './handle.js';
import { readInfo, type InfoBuffer } from './read-info.js';

/** A program's code as the kernel has it, with what it knows of its source: `struct bpf_prog_info`, one array per column. */
export interface ProgramCode {
  /** The verified instructions, as the kernel shows them; without, when it keeps them from this process. */
  readonly translated: Uint8Array;
  /** Per function: its first instruction, and its BTF FUNC. */
  readonly functionStarts: readonly number[];
  readonly functionTypes: readonly number[];
  /** Per line: its first instruction, string offsets of file and text in the program's BTF, and `line << 10 | column`. */
  readonly lineStarts: readonly number[];
  readonly lineFiles: readonly number[];
  readonly lineTexts: readonly number[];
  readonly lineColumns: readonly number[];
  /** The machine code of all functions, one after the other; without, when the program is interpreted. */
  readonly machine: Uint8Array;
  /** Per function: where it is in memory, and its bytes of `machine`. */
  readonly machineAddresses: readonly bigint[];
  readonly machineLengths: readonly number[];
  /** Per line, those of `lineStarts`: where its first instruction is in memory. */
  readonly machineLines: readonly bigint[];
}

/** Bytes of an address in `jited_line_info`. */
const addressSize = 8;

/**
 * Reads a program's code; two system calls. What the kernel keeps from this process is zeros: of machine code and addresses that
 * is decided by kptr_restrict (`bpf_dump_raw_ok` of kernel/bpf/syscall.c).
 */
export function readProgramCode(program: Handle): ProgramCode {
  const sizes = readInfo(program, Layout);
  const translated = new Uint8Array(sizes.number('xlated_prog_len'));
  const machine = new Uint8Array(sizes.number('jited_prog_len'));
  const functions = new Uint32Array((sizes.number('nr_func_info') * FuncInfo.size) / 4);
  const lines = new Uint32Array((sizes.number('nr_line_info') * LineInfo.size) / 4);
  const addresses = new BigUint64Array(sizes.number('nr_jited_ksyms'));
  const lengths = new Uint32Array(sizes.number('nr_jited_func_lens'));
  const machineLines = new BigUint64Array(sizes.number('nr_jited_line_info'));
  const buffers: InfoBuffer<keyof typeof Layout.fields>[] = [
    { pointer: 'xlated_prog_insns', length: 'xlated_prog_len', buffer: translated },
    { pointer: 'jited_prog_insns', length: 'jited_prog_len', buffer: machine },
    {
      pointer: 'func_info',
      length: 'nr_func_info',
      elements: functions.byteLength / FuncInfo.size,
      buffer: bytesOf(functions),
    },
    {
      pointer: 'line_info',
      length: 'nr_line_info',
      elements: lines.byteLength / LineInfo.size,
      buffer: bytesOf(lines),
    },
    { pointer: 'jited_ksyms', length: 'nr_jited_ksyms', elements: addresses.length, buffer: bytesOf(addresses) },
    { pointer: 'jited_func_lens', length: 'nr_jited_func_lens', elements: lengths.length, buffer: bytesOf(lengths) },
    {
      pointer: 'jited_line_info',
      length: 'nr_jited_line_info',
      elements: machineLines.length,
      buffer: bytesOf(machineLines),
    },
  ];
  // The kernel wants the sizes of records said where there are any (set_info_rec_size of kernel/bpf/syscall.c).
  const sized = (array: { readonly length: number }, size: number): number => (array.length === 0 ? 0 : size);
  readInfo(program, Layout, buffers, [
    ['func_info_rec_size', sized(functions, FuncInfo.size)],
    ['line_info_rec_size', sized(lines, LineInfo.size)],
    ['jited_line_info_rec_size', sized(machineLines, addressSize)],
  ]);
  const column = (words: Uint32Array, size: number, offset: number): number[] =>
    [...words].filter((_, index) => (index * 4) % size === offset);
  return {
    translated,
    functionStarts: column(functions, FuncInfo.size, FuncInfo.fields.insn_off[0]),
    functionTypes: column(functions, FuncInfo.size, FuncInfo.fields.type_id[0]),
    lineStarts: column(lines, LineInfo.size, LineInfo.fields.insn_off[0]),
    lineFiles: column(lines, LineInfo.size, LineInfo.fields.file_name_off[0]),
    lineTexts: column(lines, LineInfo.size, LineInfo.fields.line_off[0]),
    lineColumns: column(lines, LineInfo.size, LineInfo.fields.line_col[0]),
    machine,
    machineAddresses: [...addresses],
    machineLengths: [...lengths],
    machineLines: [...machineLines],
  };
}

function bytesOf(array: Uint32Array | BigUint64Array): Uint8Array {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}
