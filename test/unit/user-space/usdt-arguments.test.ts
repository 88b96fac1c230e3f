import fc from 'fast-check';

import { ElfMachine } from '../../../lib/elf/index.js';
import { parseUsdtArguments, type UsdtLocation } from '../../../lib/user-space/index.js';

type Case = readonly [text: string, location: UsdtLocation | string];

/** Offsets in `struct pt_regs` of x86: r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, … */
const x86 = { bp: 32, bx: 40, r8: 72, ax: 80, cx: 88, dx: 96, si: 104, di: 112, ip: 128, sp: 152 };
const constant = (value: bigint): UsdtLocation => ({ kind: 'constant', value });
const register = (offset: number): UsdtLocation => ({ kind: 'register', register: offset });
const memory = (base: number, offset: bigint): UsdtLocation => ({ kind: 'memory', register: base, offset });
const indexed = (base: number, index: number, scale: 1 | 2 | 4 | 8, offset: bigint): UsdtLocation => ({
  ...{ kind: 'indexed', register: base, index, scale, offset },
});

const forms: Record<string, [machine: number, cases: Case[]]> = {
  'x86-64': [
    ElfMachine.X86_64,
    [
      ['4@$5', constant(5n)],
      ['-4@$-9', constant(-9n)],
      ['8@$0xffffffffffffffff', constant(0xffff_ffff_ffff_ffffn)],
      ['8@$0x1ffffffffffffffff', 'a constant of more than 64 bits'],
      ['8@%rax', register(x86.ax)],
      ['-4@%eax', register(x86.ax)],
      ['2@%ax', register(x86.ax)],
      ['1@%al', register(x86.ax)],
      ['1@%ah', register(x86.ax + 1)],
      ['1@%sil', register(x86.si)],
      ['1@%bpl', register(x86.bp)],
      ['2@%di', register(x86.di)],
      ['8@%r8', register(x86.r8)],
      ['4@%r8d', register(x86.r8)],
      ['2@%r8w', register(x86.r8)],
      ['1@%r8b', register(x86.r8)],
      ['8@%rip', register(x86.ip)],
      ['-4@-1204(%rbp)', memory(x86.bp, -1204n)],
      ['8@(%rsp)', memory(x86.sp, 0n)],
      ['8@0x10(%rsp)', memory(x86.sp, 16n)],
      ['8@+8(%rsp)', memory(x86.sp, 8n)],
      ['-4@(%rax,%rbx,4)', indexed(x86.ax, x86.bx, 4, 0n)],
      ['-4@-96(%rbp,%rax,8)', indexed(x86.bp, x86.ax, 8, -96n)],
      ['1@8( %rbp , %rax , 2 )', indexed(x86.bp, x86.ax, 2, 8n)],
      ['1@(%rbp,%rax)', indexed(x86.bp, x86.ax, 1, 0n)],
      ['8@16(,%rdx,1)', memory(x86.dx, 16n)],
      ['8@16(,%rdx,2)', indexed(x86.dx, x86.dx, 1, 16n)],
      ['8@16(,%rdx,8)', 'no place that programs can read'],
      ['8@(%rbp,%rax,3)', 'an index multiplied by 3 cannot be read'],
      ['8@counter(%rip)', memory(x86.ip, 0x2000n)],
      ['8@counter+8(%rip)', memory(x86.ip, 0x2008n)],
      ['8@counter-4', memory(x86.ip, 0x1ffcn)],
      ['8@missing(%rip)', 'the program has no symbol "missing"'],
      ['8@$counter', 'is the address of something'],
      ['8@%fs:0xfffffffffffffff8', 'is in memory of the thread'],
      ['8@%xmm0', 'programs do not see register "xmm0"'],
      ['8@%st(1)', 'programs do not see register "st(1)"'],
      ['8@%rzz', 'there is no register "rzz"'],
      ['8@8(%xmm1)', 'programs do not see register "xmm1"'],
      ['8@12345', 'no place that programs can read'],
      ['8@', 'is no size and place'],
      ['%rax', 'is no size and place'],
      ['-8f@%rax', 'floating point'],
      ['3@%rax', 'values of 3 bytes cannot be read'],
      ['16@%rax', 'values of 16 bytes cannot be read'],
    ],
  ],
  arm64: [
    ElfMachine.AARCH64,
    [
      ['4@5', constant(5n)],
      ['-4@#-9', constant(-9n)],
      ['8@x0', register(0)],
      ['4@w30', register(240)],
      ['8@fp', register(232)],
      ['8@sp', register(248)],
      ['8@xzr', constant(0n)],
      ['-4@[sp, 60]', memory(248, 60n)],
      ['-4@[sp,#-60]', memory(248, -60n)],
      ['8@[x19]', memory(152, 0n)],
      ['8@[x1, x2]', indexed(8, 16, 1, 0n)],
      ['8@[x1, x2, lsl 3]', indexed(8, 16, 8, 0n)],
      ['8@[x1, x2, lsl #1]', indexed(8, 16, 2, 0n)],
      ['8@[x1, x2, lsl 4]', 'an index multiplied by 16 cannot be read'],
      ['8@[x1, w2, sxtw 2]', 'no place that programs can read'],
      ['8@[x0, #:lo12:counter]', 'there is no register'],
      ['8@[x0, 8]!', 'no place that programs can read'],
      ['8@d0', 'programs do not see register "d0"'],
      ['4@s1', 'programs do not see register "s1"'],
      ['8@x31', 'there is no register "x31"'],
      ['8@[q0]', 'programs do not see register "q0"'],
    ],
  ],
  s390x: [
    ElfMachine.S390,
    [
      ['4@71', constant(71n)],
      ['-4@-9', constant(-9n)],
      ['8@%r2', register(40)],
      ['-2@-28(%r15)', memory(144, -28n)],
      ['8@0(%r1,%r4)', indexed(32, 56, 1, 0n)],
      ['8@8(%r0,%r4)', memory(56, 8n)],
      ['8@8(%r0)', 'no place that programs can read'],
      ['8@%f0', 'programs do not see register "f0"'],
      ['8@%r16', 'there is no register "r16"'],
      ['8@counter', 'no place that programs can read'],
    ],
  ],
  riscv64: [
    ElfMachine.RISCV,
    [
      ['4@5', constant(5n)],
      ['-8@a1', register(88)],
      ['8@zero', constant(0n)],
      ['-8@-88(s0)', memory(64, -88n)],
      ['8@(sp)', memory(16, 0n)],
      ['8@fa0', 'programs do not see register "fa0"'],
      ['8@[a0]', 'no place that programs can read'],
    ],
  ],
};

function parse(text: string, machine: number): ReturnType<typeof parseUsdtArguments> {
  const variable = (name: string): number | undefined => (name === 'counter' ? 0x3000 : undefined);
  return parseUsdtArguments(text, { machine, address: 0x1000, variable });
}

describe.each(Object.entries(forms))('arguments of %s', (_, [machine, cases]) => {
  test.each(cases)('%s', (text, expected) => {
    const [argument, ...others] = parse(text, machine);
    expect(others).toEqual([]);
    expect(argument?.text).toBe(text);
    if (typeof expected === 'string') {
      expect(argument?.location).toBeUndefined();
      expect(argument?.problem).toContain(expected);
    } else {
      expect(argument).toMatchObject({ location: expected, problem: undefined, signed: text.startsWith('-') });
      expect(argument?.size).toBe(Math.abs(Number.parseInt(text, 10)));
    }
  });
});

test('one that cannot be read leaves the others alone', () => {
  const parsed = parse(' -4@$-7 8@%xmm0 -4@[x0, 8]  8@-8(%rbp,%rax, 4) 8@$42 ', ElfMachine.X86_64);
  expect(parsed.map(({ text, problem }) => [text, problem === undefined])).toEqual([
    ['-4@$-7', true],
    ['8@%xmm0', false],
    ['-4@[x0, 8]', false],
    ['8@-8(%rbp,%rax, 4)', true],
    ['8@$42', true],
  ]);
  expect(parse('', ElfMachine.X86_64)).toEqual([]);
  expect(parse(':', ElfMachine.X86_64)).toEqual([]);
});

test('other machines have arguments that nobody can read', () => {
  expect(parse('4@r0', 40)).toMatchObject([{ problem: 'arguments of this architecture are not known' }]);
});

test('whatever a note says, it is parsed in time', () => {
  const machines = Object.values(forms).map(([machine]) => machine);
  const words = fc.constantFrom(
    '4@',
    '-8@',
    '(',
    ')',
    '%rax',
    '%',
    '$',
    ',',
    '[',
    ']',
    'x0',
    '99999999999999999999',
    ' ',
    '+',
    '-',
    'lsl',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...machines),
      fc.array(fc.oneof(words, fc.string()), { maxLength: 40 }),
      (machine, parts) => {
        for (const argument of parse(parts.join(''), machine)) {
          expect((argument.location === undefined) !== (argument.problem === undefined)).toBe(true);
        }
      },
    ),
  );
  const started = Date.now();
  parse(`8@${'('.repeat(50_000)} 8@${'1'.repeat(50_000)} 8@${' '.repeat(50_000)}x`, ElfMachine.X86_64);
  expect(Date.now() - started).toBeLessThan(5_000);
});
