// The instruction set of include/uapi/linux/bpf.h, bpf_common.h and Documentation/bpf/standardization/.

/** Bytes of one instruction; a 64-bit immediate load takes two. */
export const INSTRUCTION_SIZE = 8;

/** Low three bits of the opcode. */
export const InstructionClass = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 } as const;

/** Bits 3 and 4 of the opcode of a load or store. */
export const AccessSize = { W: 0x00, H: 0x08, B: 0x10, DW: 0x18 } as const;

/** Bits 5 to 7 of the opcode of a load or store. */
export const AccessMode = { IMM: 0x00, ABS: 0x20, IND: 0x40, MEM: 0x60, MEMSX: 0x80, ATOMIC: 0xc0 } as const;

/** Bit 3 of an arithmetic or jump opcode: the second operand is the immediate (K) or a register (X). */
export const OperandSource = { K: 0x00, X: 0x08 } as const;

/** Bits 4 to 7 of the opcode of an arithmetic instruction. */
export const AluOperation = {
  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  NEG: 0x80,
  MOD: 0x90,
  XOR: 0xa0,
  MOV: 0xb0,
  ARSH: 0xc0,
  END: 0xd0,
} as const;

/** Bits 4 to 7 of the opcode of a jump. */
export const JumpOperation = {
  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  JNE: 0x50,
  JSGT: 0x60,
  JSGE: 0x70,
  CALL: 0x80,
  EXIT: 0x90,
  JLT: 0xa0,
  JLE: 0xb0,
  JSLT: 0xc0,
  JSLE: 0xd0,
  JCOND: 0xe0,
} as const;

/** Immediate of an atomic store, which may be or-ed with FETCH. */
export const AtomicOperation = {
  ADD: 0x00,
  OR: 0x40,
  AND: 0x50,
  XOR: 0xa0,
  FETCH: 0x01,
  XCHG: 0xe1,
  CMPXCHG: 0xf1,
  LOAD_ACQUIRE: 0x100,
  STORE_RELEASE: 0x110,
} as const;

/** Opcodes that loaders meet by name. */
export const Opcode = {
  /** Load a 64-bit immediate, map, address or function: two instructions. */
  LOAD_IMMEDIATE_64: 0x18,
  CALL: 0x85,
  EXIT: 0x95,
  MOVE_IMMEDIATE_64: 0xb7,
} as const;

/** Source register of `LOAD_IMMEDIATE_64`: what the immediate means (`BPF_PSEUDO_*`). */
export const LoadSource = {
  VALUE: 0,
  MAP_FD: 1,
  MAP_VALUE: 2,
  BTF_ID: 3,
  FUNCTION: 4,
  MAP_INDEX: 5,
  MAP_INDEX_VALUE: 6,
} as const;

/** Source register of `CALL`: whom the immediate means. */
export const CallSource = { HELPER: 0, FUNCTION: 1, KERNEL_FUNCTION: 2 } as const;

/** The frame pointer. */
export const FRAME_POINTER = 10;
