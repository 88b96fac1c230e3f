import { INSTRUCTION_SIZE, Opcode } from './opcodes.js';

/**
 * A cursor over packed code: fields are decoded when asked for and written straight back, so that walking 400,000
 * instructions makes one object.
 *
 * @example
 * ```ts
 * const instruction = new Instruction(code, true);
 * for (let index = 0; index < instruction.count; index += instruction.at(index).slots) {
 *   if (instruction.opcode === Opcode.CALL) calls.push(instruction.immediate);
 * }
 * ```
 */
export class Instruction {
  readonly code: Uint8Array;
  readonly littleEndian: boolean;
  /** Instructions in the code, the second half of a 64-bit immediate load counted as one. */
  readonly count: number;
  readonly #view: DataView;
  #start = 0;

  constructor(code: Uint8Array, littleEndian: boolean) {
    if (code.byteLength % INSTRUCTION_SIZE !== 0) {
      throw new RangeError(`code of ${code.byteLength} bytes is not a whole number of instructions`);
    }
    this.code = code;
    this.littleEndian = littleEndian;
    this.count = code.byteLength / INSTRUCTION_SIZE;
    this.#view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  }

  /** Moves to an instruction. Throws RangeError outside the code. */
  at(index: number): this {
    if (!Number.isInteger(index) || index < 0 || index >= this.count) {
      throw new RangeError(`instruction ${index} is outside the code of ${this.count} instructions`);
    }
    this.#start = index * INSTRUCTION_SIZE;
    return this;
  }

  get index(): number {
    return this.#start / INSTRUCTION_SIZE;
  }

  get opcode(): number {
    return this.#view.getUint8(this.#start);
  }

  set opcode(value: number) {
    this.#view.setUint8(this.#start, value);
  }

  /** Bits 0-2 of the opcode, an `InstructionClass`. */
  get class(): number {
    return this.opcode & 0x07;
  }

  get destination(): number {
    return this.#register(this.littleEndian ? 0 : 4);
  }

  set destination(register: number) {
    this.#setRegister(this.littleEndian ? 0 : 4, register);
  }

  get source(): number {
    return this.#register(this.littleEndian ? 4 : 0);
  }

  set source(register: number) {
    this.#setRegister(this.littleEndian ? 4 : 0, register);
  }

  /** Signed, in bytes for loads and stores, in instructions for jumps. */
  get offset(): number {
    return this.#view.getInt16(this.#start + 2, this.littleEndian);
  }

  set offset(value: number) {
    this.#view.setInt16(this.#start + 2, value, this.littleEndian);
  }

  get immediate(): number {
    return this.#view.getInt32(this.#start + 4, this.littleEndian);
  }

  /** Takes signed and unsigned 32-bit values. */
  set immediate(value: number) {
    this.#view.setInt32(this.#start + 4, value, this.littleEndian);
  }

  /** A 64-bit immediate load: this instruction and the next are one. */
  get isWide(): boolean {
    return this.opcode === Opcode.LOAD_IMMEDIATE_64;
  }

  /** How far the next instruction is: 2 after a 64-bit immediate load, else 1. */
  get slots(): 1 | 2 {
    return this.isWide && this.index + 1 < this.count ? 2 : 1;
  }

  /** The value of a 64-bit immediate load, unsigned. Throws RangeError when its second half is missing. */
  get wideImmediate(): bigint {
    const low = BigInt(this.#view.getUint32(this.#start + 4, this.littleEndian));
    return (BigInt(this.#secondImmediate()) << 32n) | low;
  }

  set wideImmediate(value: bigint) {
    this.#secondImmediate();
    const unsigned = BigInt.asUintN(64, value);
    this.#view.setUint32(this.#start + 4, Number(unsigned & 0xffff_ffffn), this.littleEndian);
    this.#view.setUint32(this.#start + INSTRUCTION_SIZE + 4, Number(unsigned >> 32n), this.littleEndian);
  }

  /** Overwrites the whole instruction; what is left out becomes 0. */
  replace(fields: InstructionFields): void {
    this.opcode = fields.opcode;
    this.#view.setUint8(this.#start + 1, 0);
    this.destination = fields.destination ?? 0;
    this.source = fields.source ?? 0;
    this.offset = fields.offset ?? 0;
    this.immediate = fields.immediate ?? 0;
  }

  #secondImmediate(): number {
    if (this.index + 1 >= this.count) throw new RangeError('a 64-bit immediate load lacks its second half');
    return this.#view.getUint32(this.#start + INSTRUCTION_SIZE + 4, this.littleEndian);
  }

  // The two register numbers share a byte, as C bit-fields: their order follows the byte order.
  #register(shift: number): number {
    return (this.#view.getUint8(this.#start + 1) >> shift) & 0x0f;
  }

  #setRegister(shift: number, register: number): void {
    const others = this.#view.getUint8(this.#start + 1) & ~(0x0f << shift);
    this.#view.setUint8(this.#start + 1, others | ((register & 0x0f) << shift));
  }
}

/** An instruction to be written. */
export interface InstructionFields {
  readonly opcode: number;
  readonly destination?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
}
