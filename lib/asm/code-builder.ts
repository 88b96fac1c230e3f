import { Instruction, type InstructionFields } from './instruction.js';
import { INSTRUCTION_SIZE, InstructionClass, LoadSource, AccessMode, Opcode } from './opcodes.js';

/**
 * Builds small programs: feature probes and tests.
 *
 * @example
 * ```ts
 * const code = new CodeBuilder({ littleEndian: true }).move(0, 1).exit().toBytes();
 * ```
 */
export class CodeBuilder {
  readonly littleEndian: boolean;
  readonly #instructions: InstructionFields[] = [];

  constructor(options: { littleEndian: boolean }) {
    this.littleEndian = options.littleEndian;
  }

  /** Instructions so far; the index of what is added next. */
  get count(): number {
    return this.#instructions.length;
  }

  add(fields: InstructionFields): this {
    this.#instructions.push(fields);
    return this;
  }

  /** `rN = value`, sign-extended to 64 bits. */
  move(register: number, value: number): this {
    return this.add({ opcode: Opcode.MOVE_IMMEDIATE_64, destination: register, immediate: value });
  }

  /** `rN = rM` */
  copy(register: number, from: number): this {
    return this.add({ opcode: 0xbf, destination: register, source: from });
  }

  /** A 64-bit immediate load; `source` says what `value` means. Takes two instructions. */
  loadWide(register: number, value: bigint, source: number = LoadSource.VALUE): this {
    const unsigned = BigInt.asUintN(64, value);
    const low = Number(BigInt.asIntN(32, unsigned));
    const high = Number(BigInt.asIntN(32, unsigned >> 32n));
    this.add({ opcode: Opcode.LOAD_IMMEDIATE_64, destination: register, source, immediate: low });
    return this.add({ opcode: 0, immediate: high });
  }

  /** `rN = *(size *)(rM + offset)`; `size` is an `AccessSize`. */
  load(register: number, size: number, base: number, offset: number): this {
    const opcode = InstructionClass.LDX | AccessMode.MEM | size;
    return this.add({ opcode, destination: register, source: base, offset });
  }

  /** `*(size *)(rN + offset) = rM` */
  store(base: number, size: number, offset: number, register: number): this {
    const opcode = InstructionClass.STX | AccessMode.MEM | size;
    return this.add({ opcode, destination: base, source: register, offset });
  }

  /** Calls a helper by number. */
  call(helper: number): this {
    return this.add({ opcode: Opcode.CALL, immediate: helper });
  }

  exit(): this {
    return this.add({ opcode: Opcode.EXIT });
  }

  toBytes(): Uint8Array {
    const code = new Uint8Array(this.#instructions.length * INSTRUCTION_SIZE);
    const instruction = new Instruction(code, this.littleEndian);
    this.#instructions.forEach((fields, index) => {
      instruction.at(index).replace(fields);
    });
    return code;
  }
}

/** The smallest program: returns `value`. */
export function exitProgram(value = 0, options: { littleEndian: boolean } = { littleEndian: true }): Uint8Array {
  return new CodeBuilder(options).move(0, value).exit().toBytes();
}
