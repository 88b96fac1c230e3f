import { BtfBuilder, type BtfDataSectionEntry, type BtfMember } from '../../lib/btf/index.js';
import { SymbolBinding, SymbolType } from '../../lib/elf/index.js';
import { ElfBuilder } from './elf-builder.js';

interface Variable {
  name: string;
  /** BTF id. */
  type: number;
  size: number;
  static?: boolean;
  visibility?: number;
}

/** Assembles BPF objects with BTF as clang leaves it: DATASECs without sizes, global variables without offsets. */
export class ObjectBuilder {
  readonly elf: ElfBuilder;
  readonly btf: BtfBuilder;
  /** BTF ids of `int`, `unsigned int` and `unsigned long long`. */
  readonly int: number;
  readonly u32: number;
  readonly u64: number;
  readonly #maps: { name: string; type: number; size: number }[] = [];
  /** The index of `.maps`, once encoded. */
  mapsSection = 0;
  /** Symbol indices by name, of maps and variables, once encoded. */
  readonly symbols = new Map<string, number>();

  constructor(options: { littleEndian?: boolean } = {}) {
    const littleEndian = options.littleEndian ?? true;
    this.elf = new ElfBuilder({ littleEndian });
    this.btf = new BtfBuilder({ littleEndian });
    this.int = this.btf.addInt('int', { size: 4, signed: true });
    this.u32 = this.btf.addInt('unsigned int', { size: 4 });
    this.u64 = this.btf.addInt('unsigned long long', { size: 8 });
  }

  /** The type of `__uint(name, value)`. */
  uint(value: number): number {
    return this.btf.addPointer(this.btf.addArray(this.int, this.int, value));
  }

  /** The type of `__type(name, T)`. */
  typed(type: number): number {
    return this.btf.addPointer(type);
  }

  /** An anonymous struct of pointers, as map definitions are. */
  definition(attributes: readonly (readonly [name: string, type: number])[]): number {
    const members = attributes.map(([name, type], index): BtfMember => ({
      name,
      type,
      bitOffset: index * 64,
      bitSize: 0,
    }));
    return this.btf.addStruct('', members.length * 8, members);
  }

  /** A map in `.maps`; `slots` are the elements of its `values`. */
  map(name: string, attributes: readonly (readonly [name: string, type: number])[], slots = 0): this {
    this.#maps.push({ name, type: this.definition(attributes), size: (attributes.length + slots) * 8 });
    return this;
  }

  /** A section of variables laid out one after another; `bytes` undefined makes it NOBITS. Returns its index. */
  variables(section: string, variables: readonly Variable[], bytes?: Uint8Array): number {
    const size = variables.reduce((sum, variable) => sum + variable.size, 0);
    const index = this.elf.data(section, bytes ?? size);
    const entries: BtfDataSectionEntry[] = [];
    let offset = 0;
    for (const { name, type, size: length, static: isStatic = false, visibility = 0 } of variables) {
      const binding = isStatic ? SymbolBinding.LOCAL : SymbolBinding.GLOBAL;
      const symbol = {
        name,
        section: index,
        value: offset,
        size: length,
        type: SymbolType.OBJECT,
        binding,
        visibility,
      };
      this.symbols.set(name, this.elf.symbol(symbol));
      const id = this.btf.addVariable(name, type, isStatic ? 0 : 1);
      entries.push({ type: id, offset: isStatic ? offset : 0, size: length });
      offset += length;
    }
    this.btf.addDataSection(section, 0, entries);
    return index;
  }

  encode(): Uint8Array {
    if (this.#maps.length > 0 && this.mapsSection === 0) this.addMaps();
    this.elf.section({ name: '.BTF', bytes: this.btf.encode() });
    return this.elf.encode();
  }

  /** Adds `.maps` early, so that relocations can refer to it. Returns its index. */
  addMaps(): number {
    const variables = this.#maps.map(({ name, type, size }) => ({ name, type, size }));
    const size = variables.reduce((sum, variable) => sum + variable.size, 0);
    this.mapsSection = this.variables('.maps', variables, new Uint8Array(size));
    return this.mapsSection;
  }
}
