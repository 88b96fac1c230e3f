/** A function of the kernel or of a module. */
export interface KernelFunction {
  readonly name: string;
  /** The module that has it; undefined for the kernel proper. */
  readonly module: string | undefined;
  /** Where it begins. */
  readonly address: bigint;
}

/** Kernel functions, of which there may be a hundred thousand: objects are made of them when someone asks. */
export class FunctionList {
  readonly #names: string[];
  /** By the function's place in the list, of those that belong to one. */
  readonly #modules: Map<number, string>;
  #addresses: BigUint64Array;

  constructor(
    names: string[] = [],
    modules: Map<number, string> = new Map(),
    addresses: BigUint64Array = new BigUint64Array(64),
  ) {
    this.#names = names;
    this.#modules = modules;
    this.#addresses = addresses;
  }

  get length(): number {
    return this.#names.length;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Where they begin. */
  get addresses(): BigUint64Array {
    return this.#addresses.subarray(0, this.length);
  }

  push(name: string, module: string | undefined, address: bigint): void {
    const index = this.length;
    if (index === this.#addresses.length) {
      const larger = new BigUint64Array(Math.max(index * 2, 64));
      larger.set(this.#addresses);
      this.#addresses = larger;
    }
    if (module !== undefined) this.#modules.set(index, module);
    this.#addresses[index] = address;
    this.#names.push(name);
  }

  at(index: number): KernelFunction {
    return {
      name: this.#names[index] ?? '',
      module: this.#modules.get(index),
      address: this.#addresses[index] ?? 0n,
    };
  }

  all(): KernelFunction[] {
    return this.#names.map((_, index) => this.at(index));
  }
}
