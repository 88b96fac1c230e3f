import { inspect } from 'node:util';

import type { Codec } from '../codec/index.js';
import { UsageError, escapeControl, quote } from '../errors/index.js';

import type { DataMemory } from './data-memory.js';

/** What a variable is made from. @internal */
export interface VariableDetails {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly constant: boolean;
  readonly codec: Codec<unknown>;
  readonly memory: DataMemory;
}

/**
 * A global variable of a loaded object, read and written while its programs run. An aligned number is read and written
 * whole; of a struct a program may see half.
 *
 * @example
 * ```js
 * const dropped = ebpf.variable('events_dropped');
 * console.log(dropped.value);   // 0n
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
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

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
    this.#bytes = new Uint8Array(details.size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How C spells its type: `__u64`, `struct config`. */
  get typeName(): string {
    return this.#details.codec.typeName;
  }

  /**
   * The variable's value now, decoded by the object's BTF.
   *
   * @throws {@link UsageError} when the value is not of the variable's type, the variable is constant or the object closed.
   */
  get value(): unknown {
    this.#details.memory.read(this.#details.offset, this.#bytes);
    return this.#details.codec.decode(this.#view, 0);
  }

  set value(value: unknown) {
    if (this.constant) {
      throw UsageError.invalidValue(
        `variable ${quote(this.name)}`,
        "it is constant once the object is loaded; set it before, with Ebpf.load's option variables",
      );
    }
    this.#details.codec.encode(value, this.#view, 0, `variable ${this.name}`);
    this.#details.memory.write(this.#details.offset, this.#bytes);
  }

  #inspect(): string {
    return `Variable { ${inspect(this.name)}, ${escapeControl(this.typeName)} in ${this.section}${this.constant ? ', constant' : ''} }`;
  }
}
