import { ElfMachine } from '../elf/index.js';

/** A register of the machine, where the kernel puts it in what a program sees of it: `struct pt_regs`. */
export interface Register {
  /** In bytes. */
  readonly offset: number;
  /** Some architectures have one that is always zero. */
  readonly zero?: boolean;
}

/** How a machine names its general registers. */
export interface RegisterFile {
  /** By the names in assembly, without `%`. */
  readonly general: ReadonlyMap<string, Register>;
  /** Whether a name is one of a register that the kernel does not show to programs: of floating point, of vectors. */
  readonly isOther: (name: string) => boolean;
  /** Where the instruction is. */
  readonly instruction: Register;
}

/** The registers of a machine (`e_machine`); undefined for one whose arguments cannot be read. */
export function registerFile(machine: number): RegisterFile | undefined {
  switch (machine) {
    case ElfMachine.X86_64:
      return x86();
    case ElfMachine.AARCH64:
      return arm64();
    case ElfMachine.S390:
      return s390();
    case ElfMachine.RISCV:
      return riscv();
    default:
      return undefined;
  }
}

/** arch/x86/include/asm/ptrace.h, in its order. */
const x86Registers = 'r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp'.split(' ');

function x86(): RegisterFile {
  const general = new Map<string, Register>();
  for (const [index, name] of x86Registers.entries()) {
    const register = { offset: index * 8 };
    const number = /^r\d+$/.test(name);
    const short = name.slice(1);
    if (name === 'cs' || name === 'eflags' || name === 'orig_rax') continue;
    general.set(name, register);
    if (number) for (const suffix of ['d', 'w', 'b', 'l']) general.set(name + suffix, register);
    else for (const part of [`e${short}`, short]) general.set(part, register);
    if (/^r[sb]p$|^r[sd]i$/.test(name)) general.set(`${short}l`, register);
    if (!/^r[abcd]x$/.test(name)) continue;
    general.set(`${name.charAt(1)}l`, register);
    // Bits 8 to 15; read from there on.
    general.set(`${name.charAt(1)}h`, { offset: register.offset + 1 });
  }
  return {
    general,
    isOther: (name) => /^(?:[xyz]?mm\d+|st(?:\(\d\))?|k\d|[c-gs]s|[cd]r\d+)$/.test(name),
    instruction: { offset: x86Registers.indexOf('rip') * 8 },
  };
}

/** struct user_pt_regs of arch/arm64/include/uapi/asm/ptrace.h */
function arm64(): RegisterFile {
  const general = new Map<string, Register>();
  for (let number = 0; number < 31; number++) {
    for (const width of ['x', 'w']) general.set(`${width}${number}`, { offset: number * 8 });
  }
  general.set('fp', { offset: 29 * 8 });
  general.set('lr', { offset: 30 * 8 });
  for (const name of ['sp', 'wsp']) general.set(name, { offset: 31 * 8 });
  for (const name of ['xzr', 'wzr']) general.set(name, { offset: 0, zero: true });
  return { general, isOther: (name) => /^[bhsdqvzp]\d+/.test(name), instruction: { offset: 32 * 8 } };
}

/** user_pt_regs of arch/s390/include/uapi/asm/ptrace.h: an argument, the program status word, the registers. */
function s390(): RegisterFile {
  const general = new Map<string, Register>();
  for (let number = 0; number < 16; number++) general.set(`r${number}`, { offset: 24 + number * 8 });
  return { general, isOther: (name) => /^[facv]\d+$/.test(name), instruction: { offset: 16 } };
}

/** struct user_regs_struct of arch/riscv/include/uapi/asm/ptrace.h, in its order. */
function riscv(): RegisterFile {
  const names = 'pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6';
  const general = new Map<string, Register>();
  for (const [index, name] of names.split(' ').entries()) general.set(name, { offset: index * 8 });
  general.set('fp', { offset: 8 * 8 });
  general.set('zero', { offset: 0, zero: true });
  return { general, isOther: (name) => /^f[ats]?\d+$|^v\d+$/.test(name), instruction: { offset: 0 } };
}
