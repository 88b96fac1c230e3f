import { ElfMachine } from '../elf/index.js';
import { quote } from '../errors/index.js';

import { registerFile, type Register, type RegisterFile } from './usdt-registers.js';

/** Where the value of an argument is when a process gets to the probe. Registers are places in `struct pt_regs`. */
export type UsdtLocation =
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'register'; readonly register: number }
  /** In memory, at the register's value and that many bytes more. */
  | { readonly kind: 'memory'; readonly register: number; readonly offset: bigint }
  /** In memory, at `register + index * scale + offset`. */
  | {
      readonly kind: 'indexed';
      readonly register: number;
      readonly index: number;
      readonly scale: 1 | 2 | 4 | 8;
      readonly offset: bigint;
    };

/** One argument of a probe at one place. */
export interface UsdtArgument {
  /** As the compiler wrote it: `-4@%eax`. */
  readonly text: string;
  /** In bytes; 0 when it cannot be told. */
  readonly size: number;
  readonly signed: boolean;
  /** Why programs cannot read it, such as that it is in a register of floating point; undefined when they can. */
  readonly problem: string | undefined;
  /** Undefined with a `problem`. */
  readonly location: UsdtLocation | undefined;
}

/** What the operands of a probe's arguments may refer to. */
export interface UsdtContext {
  /** `e_machine` of the program. */
  readonly machine: number;
  /** Where the probe is, as the program was linked. */
  readonly address: number;
  /** Where a variable is; undefined when the program has no symbol of that name. */
  readonly variable: (name: string) => number | undefined;
}

/** What an operand means, or why it cannot be read. */
type Parsed = UsdtLocation | { readonly problem: string };

/**
 * The arguments that a note describes, each `size@operand` with the operand as the assembler has it. What is not understood
 * is so for that argument alone.
 */
export function parseUsdtArguments(text: string, context: UsdtContext): UsdtArgument[] {
  const registers = registerFile(context.machine);
  // Operands may have spaces in them; a new argument begins with a size.
  return text
    .replaceAll(/\s+/g, ' ')
    .split(/ (?=-?\d+f?@)/)
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== ':')
    .map((part) => parseArgument(part, context, registers));
}

function parseArgument(text: string, context: UsdtContext, registers: RegisterFile | undefined): UsdtArgument {
  const [, written, float, operand] = /^(-?\d+)(f?)@(.+)$/s.exec(text) ?? [];
  const size = Math.abs(Number(written ?? 0));
  const rest = { text, signed: written?.startsWith('-') === true };
  const refused = (problem: string): UsdtArgument => ({ ...rest, size, problem, location: undefined });
  if (operand === undefined || text.length > LONGEST)
    return refused(`${quote(text.slice(0, LONGEST))} is no size and place`);
  if (![1, 2, 4, 8].includes(size)) return refused(`values of ${size} bytes cannot be read`);
  if (float !== '') return refused('numbers of floating point are in registers that programs do not see');
  if (registers === undefined) return refused('arguments of this architecture are not known');
  const parsed = new Operands(context, registers).parse(operand.trim());
  return 'problem' in parsed ? refused(parsed.problem) : { ...rest, size, problem: undefined, location: parsed };
}

/** No operand has as many characters, but for those with the name of a variable, which C++ makes long. */
const LONGEST = 1024;

const integer = String.raw`[-+]?(?:0x[0-9a-f]+|\d+)`;
/** A variable, with an offset or without. */
const symbol = /^([A-Za-z_.$][\w.$@]*)([-+]\d+)?$/;

/** Reads the operands of one machine. */
class Operands {
  readonly #context: UsdtContext;
  readonly #registers: RegisterFile;

  constructor(context: UsdtContext, registers: RegisterFile) {
    this.#context = context;
    this.#registers = registers;
  }

  parse(text: string): Parsed {
    switch (this.#context.machine) {
      case ElfMachine.X86_64:
        return this.#x86(text);
      case ElfMachine.AARCH64:
        return this.#arm64(text);
      case ElfMachine.S390:
        return this.#s390(text);
      default:
        return this.#riscv(text);
    }
  }

  /** `$5`, `%eax`, `-8(%rbp)`, `(%rax,%rbx,4)`, `counter(%rip)` */
  #x86(text: string): Parsed {
    const constant = match(text, String.raw`\$(${integer})`);
    if (constant !== undefined) return constantOf(constant[0]);
    if (text.startsWith('$')) return { problem: `${quote(text)} is the address of something` };
    if (text.startsWith('%')) {
      if (text.includes(':')) return { problem: `${quote(text)} is in memory of the thread` };
      return this.#register(text.slice(1));
    }
    const [shift = '', base = '', index, scale = '1'] =
      match(text, String.raw`([^(]*)\(\s*(?:%(\w+))?\s*(?:,\s*%(\w+)\s*(?:,\s*(\d+)\s*)?)?\)`) ?? [];
    if (base === 'rip') return this.#variable(shift);
    if (base === '' && index === undefined) return this.#variable(text);
    const offset = numberOf(shift === '' ? '0' : shift);
    if (offset === undefined) return this.#unknown(text);
    if (index === undefined) return this.#memory(base, offset);
    if (base !== '') return this.#indexed(base, index, Number(scale), offset);
    // Without a base: what the index is multiplied by has to be made of a base and an index.
    if (scale === '1') return this.#memory(index, offset);
    return scale === '2' ? this.#indexed(index, index, 1, offset) : this.#unknown(text);
  }

  /** `5`, `x0`, `[sp]`, `[sp, 16]`, `[x0, x1]`, `[x0, x1, lsl 3]` */
  #arm64(text: string): Parsed {
    const constant = match(text, `#?(${integer})`);
    if (constant !== undefined) return constantOf(constant[0]);
    const [base, second = '#0', third = ''] =
      match(text, String.raw`\[\s*(\w+)\s*(?:,\s*([^,\]]+?)\s*)?(?:,\s*([^\]]+?)\s*)?\]`) ?? [];
    if (base === undefined) return /^\w+$/.test(text) ? this.#register(text) : this.#unknown(text);
    const offset = numberOf(second.replace(/^#/, ''));
    if (offset !== undefined) return third === '' ? this.#memory(base, offset) : this.#unknown(text);
    const [shift] = third === '' ? ['0'] : (match(third, String.raw`lsl\s*#?(\d+)`) ?? []);
    // Of a register of 32 bits only half counts, which programs cannot tell apart.
    if (shift === undefined || second.startsWith('w')) return this.#unknown(text);
    return this.#indexed(base, second, 2 ** Number(shift), 0n);
  }

  /** `5`, `%r2`, `160(%r15)`, `8(%r1,%r2)` */
  #s390(text: string): Parsed {
    const constant = match(text, `(${integer})`);
    if (constant !== undefined) return constantOf(constant[0]);
    if (text.startsWith('%')) return this.#register(text.slice(1));
    const [shift, first, second] = match(text, String.raw`(${integer})?\(\s*(?:%(\w+))?\s*(?:,\s*%(\w+)\s*)?\)`) ?? [];
    const offset = numberOf(shift ?? '0');
    if (offset === undefined) return this.#unknown(text);
    const names = [first, second].filter((name) => name !== undefined && name !== 'r0');
    const [base, index] = names;
    if (base === undefined) return this.#unknown(text);
    // The first is the index, the second the base; it makes no difference.
    return index === undefined ? this.#memory(base, offset) : this.#indexed(base, index, 1, offset);
  }

  /** `5`, `a0`, `-8(s0)` */
  #riscv(text: string): Parsed {
    const constant = match(text, `(${integer})`);
    if (constant !== undefined) return constantOf(constant[0]);
    const [shift, base] = match(text, String.raw`(${integer})?\(\s*(\w+)\s*\)`) ?? [];
    if (base === undefined) return /^\w+$/.test(text) ? this.#register(text) : this.#unknown(text);
    const offset = numberOf(shift ?? '0');
    return offset === undefined ? this.#unknown(text) : this.#memory(base, offset);
  }

  #register(name: string): Parsed {
    const register = this.#lookUp(name);
    if ('problem' in register) return register;
    return register.zero === true ? { kind: 'constant', value: 0n } : { kind: 'register', register: register.offset };
  }

  #memory(base: string, offset: bigint): Parsed {
    const register = this.#lookUp(base);
    if ('problem' in register) return register;
    if (register.zero === true) return this.#unknown(base);
    return { kind: 'memory', register: register.offset, offset };
  }

  #indexed(base: string, index: string, scale: number, offset: bigint): Parsed {
    const [first, second] = [this.#lookUp(base), this.#lookUp(index)];
    if ('problem' in first) return first;
    if ('problem' in second) return second;
    if (scale !== 1 && scale !== 2 && scale !== 4 && scale !== 8) {
      return { problem: `an index multiplied by ${scale} cannot be read` };
    }
    if (first.zero === true) return this.#unknown(base);
    if (second.zero === true) return { kind: 'memory', register: first.offset, offset };
    return { kind: 'indexed', register: first.offset, index: second.offset, scale, offset };
  }

  /** The instruction is where the probe is: a variable is as far from it in memory as in the file. */
  #variable(text: string): Parsed {
    const [, name, more = '0'] = symbol.exec(text) ?? [];
    if (name === undefined) return this.#unknown(text);
    const address = this.#context.variable(name);
    if (address === undefined) return { problem: `the program has no symbol ${quote(name)}` };
    const offset = BigInt(address + Number(more) - this.#context.address);
    return { kind: 'memory', register: this.#registers.instruction.offset, offset };
  }

  #lookUp(name: string): Register | { readonly problem: string } {
    const register = this.#registers.general.get(name);
    if (register !== undefined) return register;
    return this.#registers.isOther(name)
      ? { problem: `programs do not see register ${quote(name)}` }
      : { problem: `there is no register ${quote(name)}` };
  }

  #unknown(text: string): { readonly problem: string } {
    return { problem: `${quote(text)} is no place that programs can read` };
  }
}

/** The groups of a pattern that is the whole text. */
function match(text: string, pattern: string): (string | undefined)[] | undefined {
  return new RegExp(`^${pattern}$`, 'i').exec(text)?.slice(1);
}

function numberOf(text: string | undefined): bigint | undefined {
  const [, sign, digits] = /^([-+]?)(0x[0-9a-f]+|\d+)$/i.exec(text ?? '') ?? [];
  if (digits === undefined) return undefined;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value ? value : undefined;
}

function constantOf(text: string | undefined): Parsed {
  const value = numberOf(text);
  return value === undefined ? { problem: 'a constant of more than 64 bits' } : { kind: 'constant', value };
}
