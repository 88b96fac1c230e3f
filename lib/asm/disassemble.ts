import { helperName } from './helper-name.js';
import { Instruction } from './instruction.js';
import {
  AccessMode,
  AluOperation,
  AtomicOperation,
  CallSource,
  InstructionClass,
  JumpOperation,
  LoadSource,
  Opcode,
  OperandSource,
} from './opcodes.js';

const ALU_OPERATORS: ReadonlyMap<number, string> = new Map<number, string>([
  [AluOperation.ADD, '+='],
  [AluOperation.SUB, '-='],
  [AluOperation.MUL, '*='],
  [AluOperation.DIV, '/='],
  [AluOperation.OR, '|='],
  [AluOperation.AND, '&='],
  [AluOperation.LSH, '<<='],
  [AluOperation.RSH, '>>='],
  [AluOperation.MOD, '%='],
  [AluOperation.XOR, '^='],
  [AluOperation.MOV, '='],
  [AluOperation.ARSH, 's>>='],
]);

const JUMP_OPERATORS: ReadonlyMap<number, string> = new Map<number, string>([
  [JumpOperation.JEQ, '=='],
  [JumpOperation.JGT, '>'],
  [JumpOperation.JGE, '>='],
  [JumpOperation.JSET, '&'],
  [JumpOperation.JNE, '!='],
  [JumpOperation.JSGT, 's>'],
  [JumpOperation.JSGE, 's>='],
  [JumpOperation.JLT, '<'],
  [JumpOperation.JLE, '<='],
  [JumpOperation.JSLT, 's<'],
  [JumpOperation.JSLE, 's<='],
]);

const ATOMIC_OPERATIONS: ReadonlyMap<number, { operator: string; name: string }> = new Map([
  [AtomicOperation.ADD, { operator: '+=', name: 'add' }],
  [AtomicOperation.OR, { operator: '|=', name: 'or' }],
  [AtomicOperation.AND, { operator: '&=', name: 'and' }],
  [AtomicOperation.XOR, { operator: '^=', name: 'xor' }],
]);

/** Indexed by bits 3 and 4 of the opcode. */
const UNSIGNED_TYPES = ['u32', 'u16', 'u8', 'u64'] as const;
const SIGNED_TYPES = ['s32', 's16', 's8', 's64'] as const;

/**
 * Prints code one instruction a line, in the words of the kernel's verifier log: `   3: (85) call bpf_ktime_get_ns#5`.
 * Any bytes can be printed; what is no instruction is shown as `unknown`.
 */
export function disassemble(code: Uint8Array, littleEndian: boolean): string {
  const instruction = new Instruction(code, littleEndian);
  const lines: string[] = [];
  for (let index = 0; index < instruction.count; index += instruction.slots) {
    instruction.at(index);
    lines.push(`${String(index).padStart(4)}: ${printInstruction(instruction)}`);
  }
  return lines.join('\n');
}

/** Prints the instruction under the cursor, with its opcode and without its index: `(b7) r0 = 0`. */
export function printInstruction(instruction: Instruction): string {
  const opcode = instruction.opcode.toString(16).padStart(2, '0');
  return `(${opcode}) ${body(instruction) ?? unknown(instruction)}`;
}

function body(instruction: Instruction): string | undefined {
  switch (instruction.class) {
    case InstructionClass.ALU:
    case InstructionClass.ALU64:
      return arithmetic(instruction);
    case InstructionClass.JMP:
    case InstructionClass.JMP32:
      return jump(instruction);
    case InstructionClass.LDX:
      return load(instruction);
    case InstructionClass.ST:
      if (mode(instruction) !== AccessMode.MEM) return undefined;
      return `*(${type(instruction)} *)${address(instruction.destination, instruction)} = ${instruction.immediate}`;
    case InstructionClass.STX:
      return store(instruction);
    default:
      return loadSpecial(instruction);
  }
}

function arithmetic(instruction: Instruction): string | undefined {
  const prefix = instruction.class === InstructionClass.ALU64 ? 'r' : 'w';
  const destination = `${prefix}${instruction.destination}`;
  const operation = instruction.opcode & 0xf0;
  const fromRegister = (instruction.opcode & 0x08) === OperandSource.X;

  if (operation === AluOperation.NEG) return fromRegister ? undefined : `${destination} = -${destination}`;
  if (operation === AluOperation.END) {
    const register = `r${instruction.destination}`;
    const swap = instruction.class === InstructionClass.ALU64 ? 'bswap' : fromRegister ? 'be' : 'le';
    return `${register} = ${swap}${instruction.immediate} ${register}`;
  }

  let operator = ALU_OPERATORS.get(operation);
  if (operator === undefined) return undefined;
  const divides = operation === AluOperation.DIV || operation === AluOperation.MOD;
  // Offset 1 makes a division signed (Linux 6.6).
  if (divides && instruction.offset === 1) operator = `s${operator}`;
  if (!fromRegister) return `${destination} ${operator} ${instruction.immediate}`;
  const source = `${prefix}${instruction.source}`;
  if (operation === AluOperation.MOV && instruction.offset !== 0) {
    if (instruction.offset === 1 && prefix === 'r') {
      const spaces = instruction.immediate >>> 0;
      return `${destination} = addr_space_cast(${source}, ${spaces >>> 16}, ${spaces & 0xffff})`;
    }
    return `${destination} = (s${instruction.offset})${source}`;
  }
  return `${destination} ${operator} ${source}`;
}

function jump(instruction: Instruction): string | undefined {
  const operation = instruction.opcode & 0xf0;
  const narrow = instruction.class === InstructionClass.JMP32;
  if (operation === JumpOperation.CALL) return narrow ? undefined : call(instruction);
  if (operation === JumpOperation.EXIT) return narrow ? undefined : 'exit';
  if (operation === JumpOperation.JA) {
    // An indirect jump (Linux 6.19): bit 3 says that the target is in a register.
    if (!narrow && (instruction.opcode & 0x08) === OperandSource.X) return `gotox r${instruction.destination}`;
    return narrow ? `gotol pc${signed(instruction.immediate)}` : `goto pc${signed(instruction.offset)}`;
  }
  if (operation === JumpOperation.JCOND) return narrow ? undefined : `may_goto pc${signed(instruction.offset)}`;
  const operator = JUMP_OPERATORS.get(operation);
  if (operator === undefined) return undefined;
  const prefix = narrow ? 'w' : 'r';
  const right =
    (instruction.opcode & 0x08) === OperandSource.X
      ? `${prefix}${instruction.source}`
      : `0x${(instruction.immediate >>> 0).toString(16)}`;
  return `if ${prefix}${instruction.destination} ${operator} ${right} goto pc${signed(instruction.offset)}`;
}

function call(instruction: Instruction): string {
  if ((instruction.opcode & 0x08) === OperandSource.X) return `callx r${instruction.destination}`;
  const target = instruction.immediate;
  if (instruction.source === CallSource.FUNCTION) return `call pc${signed(target)}`;
  if (instruction.source === CallSource.KERNEL_FUNCTION) return `call kernel-function#${target}`;
  return `call ${helperName(target) ?? 'unknown'}#${target}`;
}

function load(instruction: Instruction): string | undefined {
  const from = address(instruction.source, instruction);
  switch (mode(instruction)) {
    case AccessMode.MEM:
      return `r${instruction.destination} = *(${type(instruction)} *)${from}`;
    case AccessMode.MEMSX:
      return `r${instruction.destination} = *(${type(instruction, SIGNED_TYPES)} *)${from}`;
    default:
      return undefined;
  }
}

function store(instruction: Instruction): string | undefined {
  const to = `(${type(instruction)} *)${address(instruction.destination, instruction)}`;
  const source = `r${instruction.source}`;
  if (mode(instruction) === AccessMode.MEM) return `*${to} = ${source}`;
  if (mode(instruction) !== AccessMode.ATOMIC) return undefined;

  const bits = type(instruction) === 'u64' ? 'atomic64' : 'atomic';
  const operation = instruction.immediate;
  if (operation === AtomicOperation.XCHG) return `${source} = ${bits}_xchg(${to}, ${source})`;
  if (operation === AtomicOperation.CMPXCHG) return `r0 = ${bits}_cmpxchg(${to}, r0, ${source})`;
  if (operation === AtomicOperation.STORE_RELEASE) return `store_release(${to}, ${source})`;
  if (operation === AtomicOperation.LOAD_ACQUIRE) {
    const from = address(instruction.source, instruction);
    return `r${instruction.destination} = load_acquire((${type(instruction)} *)${from})`;
  }
  const known = ATOMIC_OPERATIONS.get(operation & ~AtomicOperation.FETCH);
  if (known === undefined) return undefined;
  if ((operation & AtomicOperation.FETCH) === 0) return `lock *${to} ${known.operator} ${source}`;
  return `${source} = ${bits}_fetch_${known.name}(${to}, ${source})`;
}

/** The class LD: 64-bit immediates, and the packet loads of classic BPF. */
function loadSpecial(instruction: Instruction): string | undefined {
  if (mode(instruction) === AccessMode.ABS) return `r0 = *(${type(instruction)} *)skb[${instruction.immediate}]`;
  if (mode(instruction) === AccessMode.IND) {
    return `r0 = *(${type(instruction)} *)skb[r${instruction.source} + ${instruction.immediate}]`;
  }
  if (instruction.opcode !== Opcode.LOAD_IMMEDIATE_64 || instruction.slots !== 2) return undefined;
  const value = instruction.wideImmediate;
  const low = instruction.immediate;
  const high = Number(value >> 32n);
  const destination = `r${instruction.destination}`;
  switch (instruction.source) {
    case LoadSource.VALUE:
      return `${destination} = 0x${value.toString(16)}`;
    case LoadSource.MAP_FD:
      return `${destination} = map[fd:${low}]`;
    case LoadSource.MAP_VALUE:
      return `${destination} = map[fd:${low}][0]+${high}`;
    case LoadSource.BTF_ID:
      return `${destination} = btf[${high}][id:${low}]`;
    case LoadSource.FUNCTION:
      return `${destination} = subprog[${signed(low)}]`;
    case LoadSource.MAP_INDEX:
      return `${destination} = map[idx:${low}]`;
    case LoadSource.MAP_INDEX_VALUE:
      return `${destination} = map[idx:${low}][0]+${high}`;
    default:
      return undefined;
  }
}

function unknown(instruction: Instruction): string {
  const { destination, source, offset, immediate } = instruction;
  return `unknown (dst r${destination}, src r${source}, off ${offset}, imm ${immediate})`;
}

function mode(instruction: Instruction): number {
  return instruction.opcode & 0xe0;
}

function type(instruction: Instruction, names: readonly string[] = UNSIGNED_TYPES): string {
  return names[(instruction.opcode >> 3) & 3] ?? '?';
}

function address(register: number, instruction: Instruction): string {
  return `(r${register} ${signed(instruction.offset)})`;
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}
