import { withDataSections, type Btf } from '../btf/index.js';
import type { DataSection } from './data-section.js';

/** An object's types with what its sections and symbols add to them. Shared by clones: never edited. */
export class ObjectBtf {
  readonly btf: Btf;
  readonly #dataSections: ReadonlyMap<string, DataSection>;
  #bytes: Uint8Array | undefined;

  constructor(btf: Btf, dataSections: ReadonlyMap<string, DataSection>) {
    this.btf = btf;
    this.#dataSections = dataSections;
  }

  /** As BPF_BTF_LOAD takes them; made at the first call. */
  get bytes(): Uint8Array {
    this.#bytes ??= withDataSections(
      this.btf,
      new Map(
        Array.from(this.#dataSections.values(), ({ name, section, variables }) => [
          name,
          {
            size: section.size,
            offsets: new Map(variables.filter((one) => !one.static).map((one) => [one.name, one.offset])),
            hidden: new Set(variables.filter((one) => one.hidden).map((one) => one.name)),
          },
        ]),
      ),
    );
    return this.#bytes;
  }
}
