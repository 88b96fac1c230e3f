import { Instruction, InstructionClass, JumpOperation, printInstruction } from '../asm/index.js';
import { hostIsLittleEndian } from '../binary/index.js';
import { escapeControl } from '../errors/index.js';

/** A line of C that code was made of. */
export interface CodeLine {
  /** Where its code begins: of instructions the index of one, of machine code the byte in its function. */
  readonly offset: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line itself. */
  readonly text: string;
}

/** A function of a program. */
export interface CodeFunction {
  /** The C function's name, or, without types, the program's. */
  readonly name: string;
  /** The index of its first instruction. */
  readonly offset: number;
}

/** A function of a program as machine code. */
export interface MachineFunction {
  readonly name: string;
  /** Where it is in the kernel's memory. */
  readonly address: bigint;
  readonly code: Uint8Array;
  readonly lines: readonly CodeLine[];
}

/**
 * A program as the kernel has it after verifying it: dead code is gone, loads and calls are rewritten. Its text is as
 * {@link disassemble} prints what an object has.
 */
export class TranslatedCode {
  /** Eight bytes each, in the machine's byte order. */
  readonly instructions: Uint8Array;
  readonly functions: readonly CodeFunction[];
  readonly lines: readonly CodeLine[];
  readonly #helpers: ReadonlyMap<number, string>;
  readonly #maps: ReadonlyMap<number, string>;

  /** `helpers` by what a call of one has as immediate, `maps` by id. @internal */
  constructor(parts: {
    readonly instructions: Uint8Array;
    readonly functions: readonly CodeFunction[];
    readonly lines: readonly CodeLine[];
    readonly helpers: ReadonlyMap<number, string>;
    readonly maps: ReadonlyMap<number, string>;
  }) {
    this.instructions = parts.instructions;
    this.functions = parts.functions;
    this.lines = parts.lines;
    this.#helpers = parts.helpers;
    this.#maps = parts.maps;
  }

  /** An instruction a line, in the words of the verifier's log, between the lines of C. */
  toString(): string {
    const instruction = new Instruction(this.instructions, hostIsLittleEndian);
    const functions = new Map(this.functions.map(({ offset, name }) => [offset, name]));
    const sources = new Map(this.lines.map((line) => [line.offset, line]));
    const text: string[] = [];
    let last: string | undefined;
    for (let index = 0; index < instruction.count; index += instruction.slots) {
      const name = functions.get(index);
      if (name !== undefined) {
        text.push(`${escapeControl(name)}:`);
        last = undefined;
      }
      const source = sources.get(index);
      const line = source === undefined ? last : sourceLine(source);
      if (line !== undefined && line !== last) text.push(line);
      last = line;
      text.push(`${String(index).padStart(4)}: ${this.#print(instruction.at(index))}`);
    }
    return `${text.join('\n')}\n`;
  }

  #print(instruction: Instruction): string {
    const text = printInstruction(instruction);
    const code = text.slice(0, text.indexOf(')') + 1);
    const { immediate } = instruction;
    // The kernel shows a map's id in place of its descriptor (bpf_insn_prepare_dump of kernel/bpf/syscall.c).
    if (instruction.isWide) return text.replace(/map\[fd:(\d+)\]/, (_, id: string) => this.#mapName(Number(id)));
    if (instruction.class !== InstructionClass.JMP || (instruction.opcode & 0xf0) !== JumpOperation.CALL) return text;
    if (instruction.source === 1) {
      // Of a call within the program the offset says where to, and the immediate which function that is.
      const called = this.functions[immediate]?.name;
      const target = `${instruction.offset < 0 ? '' : '+'}${instruction.offset}`;
      return called === undefined ? text : `${code} call pc${target} <${escapeControl(called)}>`;
    }
    const helper = this.#helpers.get(immediate);
    if (helper !== undefined) return `${code} call ${helper}`;
    return `${code} call ${immediate === 0 ? 'a hidden address' : `kernel function at __bpf_call_base${immediate < 0 ? '' : '+'}${immediate}`}`;
  }

  #mapName(id: number): string {
    const name = this.#maps.get(id);
    return name === undefined ? `map[id:${id}]` : `map[${escapeControl(name)} id:${id}]`;
  }
}

/** Bytes of machine code that are printed on a line. */
const BYTES_PER_LINE = 16;

/** A program as the machine runs it. */
export class MachineCode {
  readonly functions: readonly MachineFunction[];

  /** @internal */
  constructor(functions: readonly MachineFunction[]) {
    this.functions = functions;
  }

  /** Each function's address and bytes, between the lines of C. */
  toString(): string {
    return this.functions.map(printFunction).join('\n');
  }
}

function printFunction({ name, address, code, lines }: MachineFunction): string {
  const text = [`${address.toString(16).padStart(16, '0')} <${escapeControl(name)}>:`];
  const starts = new Map(lines.map((line) => [line.offset, line]));
  const breaks = [...new Set([0, ...starts.keys()])].filter((at) => at < code.length).sort((a, b) => a - b);
  for (const [index, start] of breaks.entries()) {
    const source = starts.get(start);
    if (source !== undefined) text.push(sourceLine(source));
    const end = breaks[index + 1] ?? code.length;
    for (let at = start; at < end; at += BYTES_PER_LINE) {
      const bytes = [...code.subarray(at, Math.min(at + BYTES_PER_LINE, end))];
      text.push(`${at.toString(16).padStart(6)}: ${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`);
    }
  }
  return `${text.join('\n')}\n`;
}

/** As the verifier prints lines since Linux 6.8: `; x = 1; @ a.bpf.c:12`. */
function sourceLine({ text, file, line }: CodeLine): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return escapeControl(['; ', text.trim(), text.trim() === '' ? '' : ' ', `@ ${name}:${line}`].join(''));
}
