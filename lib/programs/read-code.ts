import { Btf } from '../btf/index.js';
import { PermissionError, UnsupportedError, quote } from '../errors/index.js';
import { kernelHelpers, tryWithObject } from '../kernel/index.js';
import { objectInfo, readBtf, readProgramCode, type Handle, type ProgramCode } from '../sys/index.js';

import { MachineCode, TranslatedCode, type CodeLine } from './code.js';

/** `struct bpf_line_info` keeps the column in the low ten bits (include/uapi/linux/bpf.h). */
const COLUMN_BITS = 10;

/** The verified instructions of a program. */
export async function translatedCode(program: Handle, name: string): Promise<TranslatedCode> {
  const info = objectInfo(program, 'program');
  const code = readProgramCode(program);
  if (isHidden(code.translated)) throw hidden(name, code.translated.length === 0 ? ['CAP_BPF is missing'] : undefined);
  const btf = readTypes(info.btfId);
  const maps = new Map<number, string>();
  for (const id of info.mapIds) {
    const map = tryWithObject('map', id, (handle) => objectInfo(handle, 'map').name);
    if (map !== undefined) maps.set(id, map);
  }
  const { functionStarts, lineStarts } = code;
  const functions = functionNames(code, btf, name).map((each, index) => ({
    name: each,
    offset: functionStarts[index] ?? 0,
  }));
  const lines = linesOf(code, btf).map((line, index) => ({ ...line, offset: lineStarts[index] ?? 0 }));
  return new TranslatedCode({ instructions: code.translated, functions, lines, helpers: await kernelHelpers(), maps });
}

/** The machine code of a program. */
export function machineCode(program: Handle, name: string): MachineCode {
  const info = objectInfo(program, 'program');
  const code = readProgramCode(program);
  const { machine, machineAddresses, machineLengths, machineLines } = code;
  if (info.translatedLength === 0) throw hidden(name, ['CAP_BPF is missing']);
  if (machine.length === 0) {
    const why = `program ${quote(name)} is interpreted: the kernel has no compiler, or net.core.bpf_jit_enable is 0`;
    throw new UnsupportedError('machine code', why);
  }
  if (isHidden(machine)) throw hidden(name);
  const btf = readTypes(info.btfId);
  const lines = linesOf(code, btf);
  let start = 0;
  const functions = functionNames(code, btf, name).map((each, index) => {
    const address = machineAddresses[index] ?? 0n;
    const length = machineLengths[index] ?? machine.length;
    const bytes = machine.subarray(start, start + length);
    start += length;
    const own = lines.flatMap((line, row): CodeLine[] => {
      const offset = (machineLines[row] ?? 0n) - address;
      return machineLines[row] !== undefined && offset >= 0n && offset < BigInt(length)
        ? [{ ...line, offset: Number(offset) }]
        : [];
    });
    return { name: each, address, code: bytes, lines: own };
  });
  return new MachineCode(functions);
}

/** Code is never all zeros: that stands for what this process may not see. */
function isHidden(code: Uint8Array): boolean {
  return code.every((byte) => byte === 0);
}

/** `kallsyms_show_value` of kernel/ksyms_common.c decides. */
function hidden(name: string, obstacles?: readonly string[]): PermissionError {
  const reasons = obstacles ?? ['kernel.kptr_restrict is not 0, and CAP_SYSLOG is missing or it is 2'];
  return new PermissionError(
    `cannot read the code of program ${quote(name)}: the kernel keeps it from this process, since ${reasons.join(' and ')}`,
    reasons,
    {},
  );
}

function functionNames(
  { functionTypes, machineLengths }: ProgramCode,
  btf: Btf | undefined,
  name: string,
): readonly string[] {
  if (btf !== undefined && functionTypes.length > 0) return functionTypes.map((id) => btf.nameOf(id));
  const count = Math.max(machineLengths.length, 1);
  return Array.from({ length: count }, (_, index) => (index === 0 ? name : `${name}#${index}`));
}

function linesOf({ lineFiles, lineTexts, lineColumns }: ProgramCode, btf: Btf | undefined): Omit<CodeLine, 'offset'>[] {
  if (btf === undefined) return [];
  return lineColumns.map((position, row) => ({
    file: btf.string(lineFiles[row] ?? 0),
    line: position >>> COLUMN_BITS,
    column: position & ((1 << COLUMN_BITS) - 1),
    text: btf.string(lineTexts[row] ?? 0),
  }));
}

function readTypes(id: number): Btf | undefined {
  return id === 0 ? undefined : tryWithObject('btf', id, (handle) => Btf.parse(readBtf(handle), { name: `BTF ${id}` }));
}
