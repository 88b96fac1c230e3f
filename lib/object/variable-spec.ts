import type { Btf, BtfType } from '../btf/index.js';
import { codecFromBtf, type Codec } from '../codec/index.js';
import { UsageError } from '../errors/index.js';
import type { MapSpec } from './map-spec.js';

/** What a {@link VariableSpec} is made of. */
export interface VariableSpecOptions {
  readonly name: string;
  readonly map: MapSpec;
  /** Default: the map's name. */
  readonly section?: string;
  readonly offset: number;
  readonly size: number;
  readonly btf: Btf;
  readonly typeId: number;
}

/**
 * A global or static variable of an object. Its value before the load is what the program starts with; the values of
 * `const volatile` variables are constants to the kernel's verifier, which removes the code they exclude.
 *
 * @example
 * ```js
 * const spec = ObjectSpec.parse(bytes);
 * spec.variable('target_uid').value = 1000;
 * ```
 */
export class VariableSpec {
  readonly name: string;
  /** The ELF section: `.rodata`, `.data`, `.bss`, …; `.kconfig` for what the kernel's configuration gives. */
  readonly section: string;
  /** The name of the data map it lies in. */
  readonly map: string;
  /** In bytes, from the start of the map's value. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  /** BTF id of its type. */
  readonly typeId: number;
  /** Cannot change after the load (`.rodata`). */
  readonly constant: boolean;
  readonly #map: MapSpec;
  readonly #btf: Btf;
  #codec: Codec<unknown> | undefined;

  constructor(options: VariableSpecOptions) {
    this.name = options.name;
    this.section = options.section ?? options.map.name;
    this.map = options.map.name;
    this.offset = options.offset;
    this.size = options.size;
    this.typeId = options.typeId;
    this.constant = options.map.readOnly;
    this.#map = options.map;
    this.#btf = options.btf;
  }

  /** Its type. */
  get type(): BtfType {
    return this.#btf.type(this.typeId);
  }

  /**
   * What the variable holds when the program is loaded. A `__kconfig` variable gets its value from the load, by the
   * option `kconfig` or the running kernel's configuration: here it is zero, and cannot be set.
   *
   * @throws UsageError when the value set does not fit the variable's type; the error's path names the member.
   */
  get value(): unknown {
    const bytes = this.#bytes();
    return this.#codecOfType().decode(new DataView(bytes.buffer), 0, this.size);
  }

  set value(value: unknown) {
    if (this.section === '.kconfig') {
      throw UsageError.invalidValue(
        this.name,
        `it is a configuration value of the kernel; give another with the load's option kconfig: { ${this.name}: … }`,
      );
    }
    const codec = this.#codecOfType();
    // Into a copy first: a value that fits in part changes nothing.
    const bytes = this.#bytes();
    codec.encode(value, new DataView(bytes.buffer), 0, this.name);
    this.#map.writableInitialValue().set(bytes, this.offset);
  }

  /** The same variable of a copy of its map. */
  cloneFor(map: MapSpec): VariableSpec {
    const { name, section, offset, size, typeId } = this;
    return new VariableSpec({ name, section, offset, size, typeId, map, btf: this.#btf });
  }

  #codecOfType(): Codec<unknown> {
    // Used once or twice: less work than generating code, and V8's to compile that.
    const options = { littleEndian: this.#btf.littleEndian, generateCode: false };
    this.#codec ??= codecFromBtf(this.#btf, this.typeId, options);
    if (this.#codec.size > this.size) {
      throw UsageError.invalidValue(
        this.name,
        `its type ${this.#codec.typeName} has ${this.#codec.size} bytes, the variable ${this.size}`,
      );
    }
    return this.#codec;
  }

  /** A copy of the variable's bytes. */
  #bytes(): Uint8Array {
    const end = this.offset + this.size;
    if (end > this.#map.initialSize) {
      throw UsageError.invalidValue(
        this.name,
        `it lies beyond the ${this.#map.initialSize} bytes that map ${this.map} has since its valueSize was changed`,
      );
    }
    const bytes = new Uint8Array(this.size);
    const initial = this.#map.initialValue;
    if (initial !== undefined) bytes.set(initial.subarray(this.offset, end));
    return bytes;
  }
}
