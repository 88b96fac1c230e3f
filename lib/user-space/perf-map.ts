import { firstAtLeast, sortedOrder, type SortedOrder } from '../kernel/index.js';

/** A function that a process compiled while it ran. */
export interface CompiledFunction {
  readonly name: string;
  /** Where it begins. */
  readonly start: number;
}

/** How many functions that begin before an address may end before it, while an earlier one holds it. */
const nested = 16;

/** A name that is longer says no more; nobody's file fills the memory of who reads it. */
const longestName = 4096;

const [newline, space, zero, x] = [0x0a, 0x20, 0x30, 0x78];

/**
 * Functions that a just-in-time compiler tells in a perf map: lines of a start, a size and a name, the numbers hexadecimal
 * (tools/perf/Documentation/jit-interface.txt of Linux). A later line takes the place of an earlier one.
 */
export class PerfMap {
  #starts = new Float64Array(64);
  #sizes = new Float64Array(64);
  #places = new Uint32Array(64);
  #names = Buffer.allocUnsafe(4096);
  #namesLength = 0;
  #length = 0;
  #order: SortedOrder | undefined;

  /** How many functions. */
  get length(): number {
    return this.#length;
  }

  /** Takes whole lines. What is no line of a perf map is left out. */
  push(lines: Uint8Array): void {
    for (let start = 0; start < lines.length;) {
      const found = lines.indexOf(newline, start);
      const end = found < 0 ? lines.length : found;
      this.#line(lines, start, end);
      start = end + 1;
    }
    this.#order = undefined;
  }

  /** To be called before {@link at}, when lines have come. */
  async sort(): Promise<void> {
    this.#order ??= await sortedOrder(this.#starts.subarray(0, this.#length));
  }

  /** The function that an address lies in. */
  at(address: number): CompiledFunction | undefined {
    const { sorted, order } = this.#order ?? { sorted: new Float64Array(), order: new Uint32Array() };
    const after = firstAtLeast(sorted, address + 1);
    let best: number | undefined;
    let tries = nested;
    let before = Number.NaN;
    for (let place = after - 1; place >= 0 && tries > 0; place--) {
      const index = order[place] ?? 0;
      const start = sorted[place] ?? 0;
      if (start !== before) tries--;
      // Of one start, the last counts: those before it are gone.
      else continue;
      before = start;
      if (address < start + (this.#sizes[index] ?? 0) && (best === undefined || index > best)) best = index;
    }
    return best === undefined ? undefined : { name: this.#nameOf(best), start: this.#starts[best] ?? 0 };
  }

  #nameOf(index: number): string {
    const end = index + 1 < this.#length ? this.#places[index + 1] : this.#namesLength;
    return this.#names.toString('utf8', this.#places[index], end);
  }

  #line(lines: Uint8Array, from: number, end: number): void {
    const start = hexadecimal(lines, from, end);
    const size = start && hexadecimal(lines, start.end + 1, end);
    if (size === undefined || lines[start?.end ?? 0] !== space || lines[size.end] !== space) return;
    const name = lines.subarray(size.end + 1, Math.min(end, size.end + 1 + longestName));
    if (start === undefined || name.length === 0 || size.value === 0) return;
    this.#makeRoom(name.length);
    const index = this.#length++;
    this.#starts[index] = start.value;
    this.#sizes[index] = size.value;
    this.#places[index] = this.#namesLength;
    this.#names.set(name, this.#namesLength);
    this.#namesLength += name.length;
  }

  #makeRoom(nameBytes: number): void {
    if (this.#namesLength + nameBytes > this.#names.length) {
      const larger = Buffer.allocUnsafe((this.#names.length + nameBytes) * 2);
      larger.set(this.#names.subarray(0, this.#namesLength));
      this.#names = larger;
    }
    if (this.#length < this.#starts.length) return;
    const length = this.#length * 2;
    const [starts, sizes, places] = [new Float64Array(length), new Float64Array(length), new Uint32Array(length)];
    starts.set(this.#starts);
    sizes.set(this.#sizes);
    places.set(this.#places);
    [this.#starts, this.#sizes, this.#places] = [starts, sizes, places];
  }
}

/** Digits from `at` on, with or without `0x` before them; undefined for none, or for more than an address has. */
function hexadecimal(
  bytes: Uint8Array,
  at: number,
  limit: number,
): { readonly value: number; readonly end: number } | undefined {
  let end = bytes[at] === zero && bytes[at + 1] === x ? at + 2 : at;
  const first = end;
  let value = 0;
  for (; end < limit; end++) {
    const code = (bytes[end] ?? 0) | 0x20;
    const digit = code >= 0x61 && code <= 0x66 ? code - 0x57 : (bytes[end] ?? 0) - zero;
    if (digit < 0 || digit > 15 || (digit > 9 && code < 0x61)) break;
    value = value * 16 + digit;
  }
  return end === first || !Number.isSafeInteger(value) ? undefined : { value, end };
}
