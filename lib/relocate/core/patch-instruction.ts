import { AccessMode, type Instruction, InstructionClass, Opcode, OperandSource } from '../../asm/index.js';
import type { InstructionPatch } from './core-resolver.js';
import { CoreProblem } from './core-problem.js';

/** The immediate of the invalid call that marks a failed CO-RE relocation, as in libbpf: tools know it. */
export const POISONED_CORE_CALL = 0xbad2310;

const LARGEST_OFFSET = 0x7fff;

/** Bytes that a load or store moves, by bits 3 and 4 of the opcode. */
const ACCESS_BYTES = [4, 2, 1, 8] as const;

/**
 * Writes the answer into the instruction under the cursor, or makes it an invalid call when there is none. `end` is one
 * past the function's last instruction. Gives the reason of a poisoning, undefined when the instruction was patched.
 *
 * @throws {CoreProblem} when the instruction is not what the relocation says, or cannot hold the answer.
 */
export function patchInstruction(instruction: Instruction, answer: InstructionPatch, end: number): string | undefined {
  if (answer.value === undefined) return poison(instruction, answer.reason, end);
  switch (instruction.class) {
    case InstructionClass.ALU:
    case InstructionClass.ALU64:
      patchImmediate(instruction, answer, answer.value);
      return undefined;
    case InstructionClass.LDX:
    case InstructionClass.ST:
    case InstructionClass.STX:
      return patchAccess(instruction, answer, answer.value, end);
    case InstructionClass.LD:
      patchWideImmediate(instruction, answer, answer.value, end);
      return undefined;
    default:
      throw new CoreProblem(`an instruction of opcode 0x${instruction.opcode.toString(16)} cannot be relocated`);
  }
}

/** Replaces an instruction, both halves of a 64-bit load, by calls of a helper that does not exist. */
export function poisonInstruction(instruction: Instruction, immediate: number, end: number): void {
  const { index } = instruction;
  const wide = instruction.isWide && index + 1 < end;
  instruction.replace({ opcode: Opcode.CALL, immediate });
  if (wide) instruction.at(index + 1).replace({ opcode: Opcode.CALL, immediate });
  instruction.at(index);
}

function poison(instruction: Instruction, reason: string, end: number): string {
  poisonInstruction(instruction, POISONED_CORE_CALL, end);
  return reason;
}

function patchImmediate(instruction: Instruction, answer: InstructionPatch, value: bigint): void {
  if ((instruction.opcode & OperandSource.X) !== 0) {
    throw new CoreProblem('an arithmetic instruction between registers cannot be relocated');
  }
  const { expected } = answer;
  if (expected !== undefined && BigInt.asIntN(32, expected) !== BigInt(instruction.immediate)) {
    throw unexpected(instruction.immediate, expected);
  }
  // 64-bit arithmetic extends the sign of its immediate.
  const isSignExtended = BigInt.asUintN(64, BigInt.asIntN(32, value)) === value;
  const isNarrow = instruction.class === InstructionClass.ALU && value <= 0xffff_ffffn;
  if (!isSignExtended && !isNarrow) {
    throw new CoreProblem(`the kernel's value ${value} does not fit the instruction's 32 bits`);
  }
  instruction.immediate = Number(BigInt.asIntN(32, value));
}

function patchAccess(
  instruction: Instruction,
  answer: InstructionPatch,
  value: bigint,
  end: number,
): string | undefined {
  const { expected } = answer;
  if (expected !== undefined && expected !== BigInt(instruction.offset)) throw unexpected(instruction.offset, expected);
  if (value > BigInt(LARGEST_OFFSET)) {
    throw new CoreProblem(`the kernel's offset ${value} is beyond the ${LARGEST_OFFSET} that an instruction can hold`);
  }
  if (answer.sizeMisfit !== undefined) return poison(instruction, answer.sizeMisfit, end);
  if (answer.size !== answer.localSize) {
    const bytes = ACCESS_BYTES[(instruction.opcode >> 3) & 3];
    if (bytes !== answer.localSize) {
      throw new CoreProblem(`the instruction moves ${bytes ?? 0} bytes, the object's field has ${answer.localSize}`);
    }
    const size = ACCESS_BYTES.findIndex((candidate) => candidate === answer.size);
    const mode = instruction.opcode & 0xe0;
    if (size < 0) throw new CoreProblem(`the kernel's field of ${answer.size} bytes cannot be moved at once`);
    if (mode !== AccessMode.MEM) throw new CoreProblem('only a plain load or store can be given another size');
    instruction.opcode = mode | (size << 3) | instruction.class;
  }
  instruction.offset = Number(value);
  return undefined;
}

function patchWideImmediate(instruction: Instruction, answer: InstructionPatch, value: bigint, end: number): void {
  const { index } = instruction;
  if (!instruction.isWide || instruction.source !== 0 || instruction.offset !== 0 || index + 1 >= end) {
    throw new CoreProblem('this is no load of a 64-bit number');
  }
  const isSecondHalf = isBlank(instruction.at(index + 1));
  instruction.at(index);
  if (!isSecondHalf) throw new CoreProblem('the second half of a 64-bit load is malformed');
  const { expected } = answer;
  if (expected !== undefined && expected !== instruction.wideImmediate) {
    throw unexpected(instruction.wideImmediate, expected);
  }
  instruction.wideImmediate = value;
}

/** Nothing but an immediate. */
function isBlank(instruction: Instruction): boolean {
  const { opcode, destination, source, offset } = instruction;
  return opcode === 0 && destination === 0 && source === 0 && offset === 0;
}

function unexpected(found: number | bigint, expected: bigint): CoreProblem {
  return new CoreProblem(
    `the instruction holds ${found} where the object's own types say ${expected}: the object is damaged, or a tool has changed it`,
  );
}
