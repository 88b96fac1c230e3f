import { type Btf, BtfKind, typeName } from '../btf/index.js';
import { quote, RelocationError } from '../errors/index.js';
import type { ObjectSpec, VariableSpec } from '../object/index.js';
import type { KconfigFacts, KconfigOption } from './load-plan.js';
import { lineAt } from './source-line.js';

const NO_FACTS: KconfigFacts = { options: new Map(), places: [] };

/** `enum libbpf_tristate` of libbpf's bpf_helpers.h. */
const TRISTATE = { n: 0, y: 1, m: 2 } as const;

/** What a declared type can take. */
type Shape =
  | { readonly kind: 'bool' }
  | { readonly kind: 'tristate'; readonly size: number }
  | { readonly kind: 'number'; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'string'; readonly size: number };

/** Writes configuration values into the bytes of map .kconfig. */
export class KconfigWriter {
  readonly #object: ObjectSpec;
  readonly #btf: Btf;
  readonly #facts: KconfigFacts;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #warnings: string[];

  constructor(object: ObjectSpec, btf: Btf, facts: KconfigFacts | undefined, bytes: Uint8Array, warnings: string[]) {
    this.#object = object;
    this.#btf = btf;
    this.#facts = facts ?? NO_FACTS;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#warnings = warnings;
  }

  write(variable: VariableSpec): void {
    const { name, offset, size } = variable;
    const option = this.#facts.options.get(name);
    const shape = shapeOf(this.#btf, variable.typeId);
    if (shape === undefined) {
      throw this.#error(
        name,
        `a configuration value cannot be of type ${quote(typeName(this.#btf, variable.typeId))}; ` +
          'it can be bool, char, an integer, enum libbpf_tristate or an array of char',
      );
    }
    if (!/^(CONFIG|LINUX)_/.test(name)) {
      throw this.#error(name, 'the name of a configuration value begins with CONFIG_ or LINUX_');
    }
    if (offset + size > this.#bytes.byteLength) {
      throw this.#error(name, `it lies beyond the ${this.#bytes.byteLength} bytes of map .kconfig`);
    }
    if (option !== undefined) this.#put(variable, shape, option);
    else if (this.#object.externs.get(name)?.weak !== true) throw this.#missing(name);
  }

  #put(variable: VariableSpec, shape: Shape, option: KconfigOption): void {
    const { name, offset } = variable;
    const { text } = option;
    if (/^[ynm]$/.test(text)) {
      this.#putAnswer(variable, shape, option, text as 'y' | 'n' | 'm');
    } else if (text.startsWith('"')) {
      if (shape.kind !== 'string') throw this.#misfit(variable, option, 'a string');
      this.#putString(name, offset, shape.size, option);
    } else {
      const number = parseNumber(text);
      if (number === undefined) throw this.#misfit(variable, option, 'neither y, n, m, a string nor a number');
      this.#putNumber(variable, shape, option, number);
    }
  }

  #putAnswer(variable: VariableSpec, shape: Shape, option: KconfigOption, answer: 'y' | 'n' | 'm'): void {
    const { offset } = variable;
    if (shape.kind === 'bool' && answer !== 'm') {
      this.#view.setUint8(offset, answer === 'y' ? 1 : 0);
    } else if (shape.kind === 'tristate') {
      this.#putInteger(offset, shape.size, BigInt(TRISTATE[answer]));
    } else if (shape.kind === 'number' && shape.size === 1) {
      this.#view.setUint8(offset, answer.charCodeAt(0));
    } else {
      const advice = shape.kind === 'bool' ? 'a module: declare it enum libbpf_tristate' : 'an answer of y, n or m';
      throw this.#misfit(variable, option, advice);
    }
  }

  #putNumber(variable: VariableSpec, shape: Shape, option: KconfigOption, number: bigint): void {
    if (shape.kind === 'bool' && (number === 0n || number === 1n)) {
      this.#view.setUint8(variable.offset, Number(number));
      return;
    }
    if (shape.kind !== 'number') throw this.#misfit(variable, option, 'a number');
    const { size, signed } = shape;
    const bits = size * 8;
    // Of 64 bits either reading is taken: the file does not say which is meant.
    const lowest = signed || size === 8 ? -(1n << BigInt(bits - 1)) : 0n;
    const highest = signed && size !== 8 ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
    if (number < lowest || number > highest) {
      throw this.#misfit(variable, option, `a number outside ${lowest} to ${highest}`);
    }
    this.#putInteger(variable.offset, size, number);
  }

  #putInteger(offset: number, size: number, number: bigint): void {
    const { littleEndian } = this.#object;
    if (size === 8) this.#view.setBigUint64(offset, BigInt.asUintN(64, number), littleEndian);
    else if (size === 4) this.#view.setUint32(offset, Number(BigInt.asUintN(32, number)), littleEndian);
    else if (size === 2) this.#view.setUint16(offset, Number(BigInt.asUintN(16, number)), littleEndian);
    else this.#view.setUint8(offset, Number(BigInt.asUintN(8, number)));
  }

  #putString(name: string, offset: number, size: number, option: KconfigOption): void {
    const string = unquoted(option.text);
    if (string === undefined) {
      throw this.#error(name, `${quote(option.text)} of ${option.source} is a string without its end`);
    }
    const bytes = Buffer.from(string, 'utf8');
    if (bytes.byteLength >= size) {
      this.#warnings.push(
        `${name} of ${this.#object.name} is cut to ${size - 1} characters: ${option.source} has ${quote(string)}`,
      );
    }
    this.#bytes.set(bytes.subarray(0, size - 1), offset);
  }

  #misfit({ name, typeId }: VariableSpec, option: KconfigOption, what: string): RelocationError {
    const type = quote(typeName(this.#btf, typeId));
    return this.#error(name, `${quote(option.text)} of ${option.source} is ${what}, and the object declares ${type}`);
  }

  #missing(name: string): RelocationError {
    if (!name.startsWith('CONFIG_')) {
      return this.#error(
        name,
        'no value of this name is known; LINUX_KERNEL_VERSION, LINUX_HAS_SYSCALL_WRAPPER and LINUX_HAS_BPF_COOKIE are. ' +
          'Declare it __weak to have zero in its place',
      );
    }
    const { places } = this.#facts;
    const looked = places.length === 0 ? 'no configuration was given' : `looked for in ${places.join(', then ')}`;
    return this.#error(
      name,
      `the kernel's configuration does not set it (${looked}). Declare it __weak to have zero in its place, ` +
        `or give it: Ebpf.load(…, { kconfig: { ${name}: … } })`,
    );
  }

  /** Names the first program or function that reads it. */
  #error(name: string, problem: string): RelocationError {
    const { programs, functions, btf } = this.#object;
    const all = [...programs.values()].filter(({ autoload }) => autoload).map(({ function: spec }) => spec);
    for (const spec of [...all, ...functions.values()]) {
      const reference = spec.references.find((one) => one.kind === 'extern' && one.name === name);
      if (reference === undefined) continue;
      const line = lineAt(btf, spec, reference.offset);
      return new RelocationError(problem, { program: spec.name, line, access: quote(name) });
    }
    return new RelocationError(problem, { program: this.#object.name, access: quote(name) });
  }
}

function shapeOf(btf: Btf, typeId: number): Shape | undefined {
  const type = btf.type(btf.skipModifiers(typeId));
  switch (type.kind) {
    case BtfKind.INT:
      if (type.bool) return type.size === 1 ? { kind: 'bool' } : undefined;
      if (![1, 2, 4, 8].includes(type.size)) return undefined;
      return { kind: 'number', size: type.size, signed: type.signed };
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
      return type.name === 'libbpf_tristate' ? { kind: 'tristate', size: type.size } : undefined;
    case BtfKind.ARRAY: {
      const element = btf.type(btf.skipModifiers(type.elementType));
      const isChar = element.kind === BtfKind.INT && element.size === 1 && !element.bool;
      return isChar && type.length > 0 ? { kind: 'string', size: type.length } : undefined;
    }
    default:
      return undefined;
  }
}

/** As C writes integers: `42`, `-1`, `0x1000`, `010`. */
function parseNumber(text: string): bigint | undefined {
  const match = /^([+-]?)(?:(0[xX][0-9a-fA-F]+)|0([0-7]+)|(0|[1-9]\d*))$/.exec(text);
  if (match === null || text.length > 32) return undefined;
  const [, sign, hexadecimal, octal, decimal] = match;
  const magnitude = BigInt(hexadecimal ?? (octal === undefined ? (decimal ?? '0') : `0o${octal}`));
  return sign === '-' ? -magnitude : magnitude;
}

/** The contents of a quoted string; Kconfig escapes `"` and the backslash. */
function unquoted(text: string): string | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"$/.exec(text);
  return match?.[1]?.replace(/\\(.)/g, '$1');
}
