import { Btf, withDataSections, withDefinedExterns, type DataSectionLayout } from '../btf/index.js';
import type { DataSection } from './data-section.js';
import type { KconfigSection } from './kconfig-section.js';

/** An object's types with what its sections and symbols add to them. Shared by clones: never edited. */
export class ObjectBtf {
  readonly btf: Btf;
  readonly #dataSections: ReadonlyMap<string, DataSection>;
  readonly #kconfig: KconfigSection | undefined;
  #bytes: Uint8Array | undefined;
  #completed: Btf | undefined;

  constructor(btf: Btf, dataSections: ReadonlyMap<string, DataSection>, kconfig?: KconfigSection) {
    this.btf = btf;
    this.#dataSections = dataSections;
    this.#kconfig = kconfig;
  }

  /** Every ELF section that BTF describes, with its variables. */
  get sections(): Iterable<DataSection> {
    return this.#dataSections.values();
  }

  /** The variables of an ELF section, when BTF describes it. */
  section(name: string): DataSection | undefined {
    return this.#dataSections.get(name);
  }

  /** As BPF_BTF_LOAD takes them; made at the first call. */
  get bytes(): Uint8Array {
    this.#bytes ??= withDataSections(withDefinedExterns(this.btf), this.#layouts());
    return this.#bytes;
  }

  /** {@link bytes} to be read: in them the variables of sections have their places. Ids are those of {@link btf}. */
  get completed(): Btf {
    this.#completed ??= Btf.parse(this.bytes, { name: this.btf.name });
    return this.#completed;
  }

  #layouts(): Map<string, DataSectionLayout> {
    const layouts = new Map<string, DataSectionLayout>();
    for (const { name, section, variables } of this.#dataSections.values()) {
      layouts.set(name, {
        size: section.size,
        offsets: new Map(variables.filter((one) => !one.static).map((one) => [one.name, one.offset])),
        hidden: new Set(variables.filter((one) => one.hidden).map((one) => one.name)),
      });
    }
    if (this.#kconfig !== undefined) {
      const { name, valueSize } = this.#kconfig.map;
      layouts.set(name, {
        size: valueSize,
        offsets: new Map(this.#kconfig.variables.map((one) => [one.name, one.offset])),
      });
    }
    return layouts;
  }
}
