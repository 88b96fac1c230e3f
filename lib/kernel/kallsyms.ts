import { firstAtLeast, sortedOrder, type SortedOrder } from './sorted-order.js';

const pageBytes = 4096;

/** Of what is loaded at run time, the kernel packs together no more than this (`PMD_SIZE`). */
const packBytes = 1 << 21;

const [newline, space, tab, bracket] = [0x0a, 0x20, 0x09, 0x5b];

/**
 * The symbols of /proc/kallsyms, packed: 200,000 of them take some ten megabytes as bytes and numbers, and five times as much as
 * objects.
 */
export class Kallsyms {
  /** Every name, each behind a newline and before the next one's. */
  #names = Buffer.allocUnsafe(1 << 20);
  #namesLength = 1;
  /** Where each name begins among the names. */
  #places = new Uint32Array(1 << 15);
  #addresses = new Float64Array(1 << 15);
  #modules = new Uint16Array(1 << 15);
  readonly #moduleNames: (string | undefined)[] = [undefined];
  readonly #moduleNumbers = new Map<string, number>();
  /** Numbers, not places: where per-CPU variables are in their area. */
  readonly #absolute = new Set<number>();
  #length = 0;
  #order: SortedOrder = { sorted: new Float64Array(), order: new Uint32Array() };

  constructor() {
    this.#names[0] = newline;
  }

  /** How many symbols. */
  get length(): number {
    return this.#length;
  }

  /** Whether every address is zero: they are kept from this process. */
  get addressesHidden(): boolean {
    return this.#length > 0 && this.#addresses.subarray(0, this.#length).every((address) => address === 0);
  }

  /** Takes whole lines: `ffffffff81000000 T name`, and for a module's symbol `\t[module]` behind it. What is no such line is left out. */
  push(lines: Uint8Array): void {
    for (let start = 0; start < lines.length;) {
      const found = lines.indexOf(newline, start);
      const end = found < 0 ? lines.length : found;
      this.#line(lines, start, end);
      start = end + 1;
    }
  }

  /** Puts the symbols in order; to be called when all are there. */
  async sort(signal?: AbortSignal): Promise<void> {
    const places = this.#addresses.slice(0, this.#length);
    // Behind all addresses, where none is looked for.
    for (const index of this.#absolute) places[index] = Number.POSITIVE_INFINITY;
    this.#order = await sortedOrder(places, signal);
  }

  /** The symbols of a name, by their numbers. */
  find(name: string): number[] {
    const found: number[] = [];
    const wanted = Buffer.from(`\n${name}\n`, 'latin1');
    const names = this.#names.subarray(0, this.#namesLength);
    for (let at = names.indexOf(wanted); at >= 0; at = names.indexOf(wanted, at + 1)) {
      found.push(firstAtLeast(this.#places.subarray(0, this.#length), at + 1));
    }
    return found;
  }

  /**
   * The symbol that an address lies behind: the last one before it. Between what belongs to different owners, whose symbols
   * say nothing about where they end, that counts to the end of a page.
   */
  before(address: bigint): number | undefined {
    const key = Number(BigInt.asIntN(64, address));
    const { sorted, order } = this.#order;
    const next = firstAtLeast(sorted, key + 1);
    if (next === 0) return undefined;
    const start = sorted[next - 1] ?? 0;
    const found = order[firstAtLeast(sorted, start)] ?? 0;
    const [after, end = Number.POSITIVE_INFINITY] = [order[next], sorted[next]];
    const module = this.#modules[found];
    const isInside =
      after !== undefined &&
      end !== Number.POSITIVE_INFINITY &&
      this.#modules[after] === module &&
      (module === 0 || end - start <= packBytes);
    return isInside || key < (Math.floor(start / pageBytes) + 1) * pageBytes ? found : undefined;
  }

  nameOf(index: number): string {
    const start = this.#places[index] ?? 0;
    const next = index + 1 < this.#length ? (this.#places[index + 1] ?? 0) : this.#namesLength;
    return this.#names.toString('latin1', start, next - 1);
  }

  moduleOf(index: number): string | undefined {
    return this.#moduleNames[this.#modules[index] ?? 0];
  }

  addressOf(index: number): bigint {
    return BigInt.asUintN(64, BigInt(this.#addresses[index] ?? 0));
  }

  #line(lines: Uint8Array, start: number, end: number): void {
    let [high, low, at] = [0, 0, start];
    for (; at < end; at++) {
      const digit = hexadecimal(lines[at] ?? 0);
      if (digit < 0) break;
      high = ((high << 4) | (low >>> 28)) >>> 0;
      low = ((low << 4) | digit) >>> 0;
    }
    const name = at + 3;
    if (at === start || at - start > 16 || lines[at] !== space || lines[at + 2] !== space || name >= end) return;
    let nameEnd = lines.indexOf(tab, name);
    if (nameEnd < 0 || nameEnd > end) nameEnd = end;
    const module = lines[nameEnd + 1] === bracket && nameEnd + 2 < end ? this.#module(lines, nameEnd + 2, end - 1) : 0;
    const type = lines[at + 1] ?? 0;
    this.#makeRoom(nameEnd - name + 1);
    const index = this.#length++;
    this.#places[index] = this.#namesLength;
    this.#names.set(lines.subarray(name, nameEnd), this.#namesLength);
    this.#namesLength += nameEnd - name + 1;
    this.#names[this.#namesLength - 1] = newline;
    // Signed, as the kernel's half of the address space is near the top: exact in 53 bits.
    this.#addresses[index] = (high | 0) * 2 ** 32 + low;
    this.#modules[index] = module;
    if (type === 0x61 || type === 0x41) this.#absolute.add(index);
  }

  #module(lines: Uint8Array, start: number, end: number): number {
    const name = Buffer.from(lines.buffer, lines.byteOffset + start, end - start).toString('latin1');
    let number = this.#moduleNumbers.get(name);
    if (number === undefined) {
      // More than 65,535 modules are not told apart.
      number = Math.min(this.#moduleNames.length, 0xffff);
      this.#moduleNames[number] = name;
      this.#moduleNumbers.set(name, number);
    }
    return number;
  }

  #makeRoom(nameBytes: number): void {
    if (this.#namesLength + nameBytes > this.#names.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#names.length, nameBytes) * 2);
      larger.set(this.#names);
      this.#names = larger;
    }
    if (this.#length < this.#places.length) return;
    const length = this.#length * 2;
    const [places, addresses, modules] = [new Uint32Array(length), new Float64Array(length), new Uint16Array(length)];
    places.set(this.#places);
    addresses.set(this.#addresses);
    modules.set(this.#modules);
    [this.#places, this.#addresses, this.#modules] = [places, addresses, modules];
  }
}

function hexadecimal(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}
