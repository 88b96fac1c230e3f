import {
  AccessMode,
  AccessSize,
  AluOperation,
  AtomicOperation,
  CodeBuilder,
  disassemble,
  exitProgram,
  InstructionClass,
  JumpOperation,
  type InstructionFields,
} from '../../../lib/asm/index.js';

const { ALU, ALU64, JMP, JMP32, LD, LDX, ST, STX } = InstructionClass;
const { W, H, B, DW } = AccessSize;
const X = 0x08;

// The right column is what the kernel's own printer (bpftool prog dump xlated) writes for the same bytes.
const cases: [InstructionFields, string][] = [
  [{ opcode: ALU64 | AluOperation.MOV, destination: 6, immediate: -1 }, '(b7) r6 = -1'],
  [{ opcode: ALU64 | AluOperation.MOV | X, destination: 6, source: 1 }, '(bf) r6 = r1'],
  [{ opcode: ALU64 | AluOperation.MOV | X, destination: 6, source: 1, offset: 8 }, '(bf) r6 = (s8)r1'],
  [{ opcode: ALU | AluOperation.ADD | X, destination: 1, source: 2 }, '(0c) w1 += w2'],
  [{ opcode: ALU64 | AluOperation.ARSH, destination: 1, immediate: 32 }, '(c7) r1 s>>= 32'],
  [{ opcode: ALU64 | AluOperation.DIV | X, destination: 1, source: 2, offset: 1 }, '(3f) r1 s/= r2'],
  [{ opcode: ALU | AluOperation.NEG, destination: 3 }, '(84) w3 = -w3'],
  [{ opcode: ALU | AluOperation.END | X, destination: 3, immediate: 16 }, '(dc) r3 = be16 r3'],
  [{ opcode: ALU | AluOperation.END, destination: 3, immediate: 64 }, '(d4) r3 = le64 r3'],
  [{ opcode: ALU64 | AluOperation.END, destination: 3, immediate: 32 }, '(d7) r3 = bswap32 r3'],
  [
    { opcode: ALU64 | AluOperation.MOV | X, destination: 2, source: 1, offset: 1, immediate: 1 },
    '(bf) r2 = addr_space_cast(r1, 0, 1)',
  ],
  [{ opcode: LDX | AccessMode.MEM | W, destination: 1, source: 2, offset: 4 }, '(61) r1 = *(u32 *)(r2 +4)'],
  [{ opcode: LDX | AccessMode.MEM | DW, destination: 1, source: 10, offset: -8 }, '(79) r1 = *(u64 *)(r10 -8)'],
  [{ opcode: LDX | AccessMode.MEMSX | B, destination: 1, source: 2 }, '(91) r1 = *(s8 *)(r2 +0)'],
  [{ opcode: ST | AccessMode.MEM | H, destination: 1, immediate: 7 }, '(6a) *(u16 *)(r1 +0) = 7'],
  [{ opcode: STX | AccessMode.MEM | DW, destination: 10, source: 1, offset: -16 }, '(7b) *(u64 *)(r10 -16) = r1'],
  [{ opcode: STX | AccessMode.ATOMIC | DW, destination: 1, source: 2 }, '(db) lock *(u64 *)(r1 +0) += r2'],
  [
    {
      opcode: STX | AccessMode.ATOMIC | W,
      destination: 1,
      source: 2,
      immediate: AtomicOperation.OR | AtomicOperation.FETCH,
    },
    '(c3) r2 = atomic_fetch_or((u32 *)(r1 +0), r2)',
  ],
  [
    { opcode: STX | AccessMode.ATOMIC | DW, destination: 1, source: 2, immediate: AtomicOperation.CMPXCHG },
    '(db) r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)',
  ],
  [
    { opcode: STX | AccessMode.ATOMIC | DW, destination: 1, source: 2, immediate: AtomicOperation.XCHG },
    '(db) r2 = atomic64_xchg((u64 *)(r1 +0), r2)',
  ],
  [
    { opcode: STX | AccessMode.ATOMIC | DW, destination: 1, source: 2, immediate: AtomicOperation.LOAD_ACQUIRE },
    '(db) r1 = load_acquire((u64 *)(r2 +0))',
  ],
  [
    { opcode: STX | AccessMode.ATOMIC | DW, destination: 1, source: 2, immediate: AtomicOperation.STORE_RELEASE },
    '(db) store_release((u64 *)(r1 +0), r2)',
  ],
  [{ opcode: LD | AccessMode.ABS | H, immediate: 12 }, '(28) r0 = *(u16 *)skb[12]'],
  [{ opcode: LD | AccessMode.IND | B, source: 6, immediate: 14 }, '(50) r0 = *(u8 *)skb[r6 + 14]'],
  [{ opcode: JMP | JumpOperation.JA, offset: -3 }, '(05) goto pc-3'],
  [{ opcode: JMP32 | JumpOperation.JA, immediate: 40000 }, '(06) gotol pc+40000'],
  [{ opcode: JMP | JumpOperation.JA | X, destination: 3 }, '(0d) gotox r3'],
  [{ opcode: JMP | JumpOperation.JCOND, offset: 2 }, '(e5) may_goto pc+2'],
  [{ opcode: JMP | JumpOperation.JNE, destination: 1, immediate: -1, offset: 5 }, '(55) if r1 != 0xffffffff goto pc+5'],
  [{ opcode: JMP32 | JumpOperation.JSLE | X, destination: 1, source: 2, offset: 5 }, '(de) if w1 s<= w2 goto pc+5'],
  [{ opcode: JMP | JumpOperation.CALL, immediate: 14 }, '(85) call bpf_get_current_pid_tgid#14'],
  [{ opcode: JMP | JumpOperation.CALL, immediate: 0xbad2310 }, '(85) call unknown#195896080'],
  [{ opcode: JMP | JumpOperation.CALL, source: 1, immediate: 7 }, '(85) call pc+7'],
  [{ opcode: JMP | JumpOperation.CALL, source: 2, immediate: 99 }, '(85) call kernel-function#99'],
  [{ opcode: JMP | JumpOperation.EXIT }, '(95) exit'],
];

test.each(cases)('prints %j', (fields, expected) => {
  for (const littleEndian of [true, false]) {
    const code = new CodeBuilder({ littleEndian }).add(fields).toBytes();
    expect(disassemble(code, littleEndian)).toBe(`   0: ${expected}`);
  }
});

test.each([
  [0, '(18) r1 = 0x1122334455667788'],
  [1, '(18) r1 = map[fd:1432778632]'],
  [2, '(18) r1 = map[fd:1432778632][0]+287454020'],
  [3, '(18) r1 = btf[287454020][id:1432778632]'],
  [4, '(18) r1 = subprog[+1432778632]'],
])('prints a 64-bit immediate load whose source is %i and skips its second half', (source, expected) => {
  const code = new CodeBuilder({ littleEndian: true }).loadWide(1, 0x11223344_55667788n, source).exit().toBytes();
  expect(disassemble(code, true)).toBe(`   0: ${expected}\n   2: (95) exit`);
});

test('prints every opcode and a load cut in half without failing', () => {
  for (let opcode = 0; opcode < 256; opcode++) {
    const code = new CodeBuilder({ littleEndian: true })
      .add({ opcode, destination: 15, source: 15, offset: -1, immediate: -1 })
      .toBytes();
    expect(disassemble(code, true)).toMatch(/^ {3}0: \([0-9a-f]{2}\) \S/);
  }
  const half = new CodeBuilder({ littleEndian: true }).add({ opcode: 0x18, immediate: 5 }).toBytes();
  expect(disassemble(half, true)).toBe('   0: (18) unknown (dst r0, src r0, off 0, imm 5)');
});

test('prints no code as nothing', () => {
  expect(disassemble(new Uint8Array(0), true)).toBe('');
});

test('the smallest program', () => {
  expect(disassemble(exitProgram(1), true)).toBe('   0: (b7) r0 = 1\n   1: (95) exit');
  expect([...exitProgram()]).toEqual([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
});
