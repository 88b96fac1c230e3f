import { inspect, types } from 'node:util';

import type { Codec, Layout } from '../codec/index.js';
import { UsageError, escapeControl, quote } from '../errors/index.js';
import { word } from '../sys/index.js';

import type { DataMemory } from './data-memory.js';

/** What a variable is made from. @internal */
export interface VariableDetails {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly constant: boolean;
  /** Made when it is first needed: an object may have thousands of variables. */
  readonly codec: () => Codec<unknown>;
  readonly memory: DataMemory;
}

/**
 * A global variable of a loaded object: what is known of it beside its value, which `ebpf.variables` has by name.
 *
 * @example
 * ```js
 * const dropped = ebpf.variable('events_dropped');
 * console.log(dropped.typeName, dropped.section, dropped.value);   // __u64 .bss 0n
 * ```
 */
export class Variable {
  /** The name in the object's source. */
  readonly name: string;
  /** The ELF section: `.bss`, `.data`, `.rodata`. */
  readonly section: string;
  /** Bytes. */
  readonly size: number;
  /** True in `.rodata`: its value is fixed by the load. */
  readonly constant: boolean;
  readonly #details: VariableDetails;
  #access: Access | undefined;

  static {
    Object.defineProperty(Variable.prototype, inspect.custom, {
      value(this: Variable): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: VariableDetails) {
    this.name = details.name;
    this.section = details.section;
    this.size = details.size;
    this.constant = details.constant;
    this.#details = details;
  }

  /** How C spells its type: `__u64`, `struct config`. */
  get typeName(): string {
    return this.#accessed().codec.typeName;
  }

  /**
   * The variable's value now, decoded by the object's BTF. Structs and arrays are frozen: to change one, assign a whole
   * one. Each aligned number of 1, 2, 4 or 8 bytes is read and written by one load or store of the processor, alone or
   * as a member, so it is never half of one value and half of another; two of them may be of different moments. Nothing
   * more is promised of their order: for that a program and JavaScript need a ring buffer or a map.
   *
   * @throws {@link UsageError} when the value is not of the variable's type (then nothing is written), the variable is
   * constant or the object closed.
   */
  get value(): unknown {
    const { memory, offset } = this.#details;
    const { codec, bytes, view } = this.#accessed();
    if (bytes === undefined) {
      memory.load(offset, this.size);
      return codec.decode(view, 0);
    }
    memory.read(offset, bytes);
    return frozen(codec.decode(view, 0));
  }

  set value(value: unknown) {
    if (this.constant) throw this.#isConstant();
    const { memory, offset } = this.#details;
    const { codec, bytes, view } = this.#accessed();
    codec.encode(value, view, 0, `variable ${this.name}`);
    if (bytes === undefined) memory.store(offset, this.size);
    else memory.write(offset, bytes);
  }

  #accessed(): Access {
    return (this.#access ??= access(this.#details));
  }

  #isConstant(): UsageError {
    return UsageError.invalidValue(
      `variable ${quote(this.name)}`,
      this.section === '.kconfig'
        ? `it is what the kernel was configured with; Ebpf.load's option kconfig: { ${this.name}: … } says otherwise`
        : "it is constant once the object is loaded; set it before, with Ebpf.load's option variables",
    );
  }

  #inspect(): string {
    return escapeControl(
      `Variable { ${inspect(this.name)}, ${this.typeName} in ${this.section}${this.constant ? ', constant' : ''} }`,
    );
  }
}

/** How a value travels: as a number in `word`, where no JavaScript runs before it is used, else in bytes of its own. */
interface Access {
  readonly codec: Codec<unknown>;
  /** Undefined: in `word`. */
  readonly bytes: Uint8Array | undefined;
  readonly view: DataView;
}

function access({ codec: codecOf, size, memory }: VariableDetails): Access {
  const codec = codecOf();
  if (memory.mapped && isNumber(codec.layout) && codec.size === size && size <= word.byteLength) {
    return { codec, bytes: undefined, view: word };
  }
  const bytes = new Uint8Array(size);
  return { codec, bytes, view: new DataView(bytes.buffer) };
}

function isNumber({ kind }: Layout): boolean {
  return kind === 'integer' || kind === 'float' || kind === 'bool' || kind === 'enum' || kind === 'pointer';
}

/** Freezes what a codec made, with all in it. Bytes stay as they are: JavaScript cannot freeze them. */
function frozen(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !types.isUint8Array(value)) {
    for (const inner of Object.values(value)) frozen(inner);
    Object.freeze(value);
  }
  return value;
}
