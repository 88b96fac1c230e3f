import { ambiguousName } from './function-choice.js';
import type { KernelFunction } from './function-list.js';
import { Kallsyms } from './kallsyms.js';
import { readLines } from './read-lines.js';
import { hiddenAddresses, noKallsyms, symbolsPath } from './symbol-scanner.js';

/** A function or variable of the kernel, and how far behind its beginning an address is. */
export interface KernelAddress extends KernelFunction {
  /** Bytes from the symbol's beginning to the address. */
  readonly offset: number;
}

/**
 * The kernel's symbols, those of its modules and of loaded BPF programs included, as they are at one moment: what is loaded
 * later is found by reading them anew. They take some 10 MB. Reading takes a tenth of a second, off the event loop; to turn an
 * address into a name takes a microsecond.
 *
 * @example
 * ```js
 * const symbols = await KernelSymbols.read();
 * for (const address of stacks.get(id)) {
 *   const { name, offset } = symbols.resolve(address) ?? { name: address.toString(16), offset: 0 };
 *   console.log(`${name}+${offset}`);
 * }
 * console.log(symbols.address('vfs_read'));
 * ```
 */
export class KernelSymbols {
  readonly #symbols: Kallsyms;

  private constructor(symbols: Kallsyms) {
    this.#symbols = symbols;
  }

  /**
   * Reads /proc/kallsyms.
   *
   * @throws {@link PermissionError} when the kernel keeps addresses from this process: without CAP_SYSLOG, or with
   * `kernel.kptr_restrict` 2; {@link UnsupportedError} when the kernel has no /proc/kallsyms.
   */
  static async read(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<KernelSymbols> {
    const { signal } = options;
    signal?.throwIfAborted();
    const symbols = new Kallsyms();
    try {
      for await (const lines of readLines(symbolsPath, signal)) symbols.push(lines);
    } catch (error) {
      signal?.throwIfAborted();
      throw (error as NodeJS.ErrnoException).syscall === 'open' ? noKallsyms(error) : error;
    }
    if (symbols.addressesHidden) throw hiddenAddresses('tell the addresses of kernel symbols');
    await symbols.sort(signal);
    return new KernelSymbols(symbols);
  }

  /** How many symbols there are. */
  get size(): number {
    return this.#symbols.length;
  }

  /** The symbol that an address of the kernel lies in; undefined for one that lies in none, such as an address of user space. */
  resolve(address: bigint): KernelAddress | undefined {
    const index = this.#symbols.before(address);
    if (index === undefined) return undefined;
    const symbol = this.#at(index);
    return { ...symbol, offset: Number(address - symbol.address) };
  }

  /** Every symbol of that name: `vfs_read`, or of one module `nf_conntrack:nf_ct_get`, where `vmlinux` is the kernel proper. */
  find(name: string): KernelFunction[] {
    const colon = name.indexOf(':');
    const owner = colon < 0 ? undefined : name.slice(0, colon).replaceAll('-', '_');
    const found = this.#symbols.find(name.slice(colon + 1)).map((index) => this.#at(index));
    return owner === undefined ? found : found.filter(({ module }) => (module ?? 'vmlinux') === owner);
  }

  /**
   * Where the symbol of that name is; undefined when there is none.
   *
   * @throws {@link UsageError} when there are several: {@link find} has them all.
   */
  address(name: string): bigint | undefined {
    const found = this.find(name);
    if (found.length > 1) throw ambiguousName('name', name, found);
    return found[0]?.address;
  }

  #at(index: number): KernelFunction {
    const symbols = this.#symbols;
    return { name: symbols.nameOf(index), module: symbols.moduleOf(index), address: symbols.addressOf(index) };
  }
}
