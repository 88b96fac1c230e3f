import { inspect } from 'node:util';

import { hostIsLittleEndian, type EntryCodec } from '../codec/index.js';
import { UsageError } from '../errors/index.js';
import { word, type Mapping } from '../sys/index.js';

/**
 * Memory of a map that this process shares with programs and other processes: {@link ArrayMap.mmap}, {@link Arena.memory}. No
 * system call is made to read or write it. Bytes are copied in and out: JavaScript gets no view of the memory itself.
 *
 * What is promised while others write: each aligned number of 1, 2, 4 or 8 bytes is read or written by one load or store
 * of the processor, alone and within structs and bytes, so it is never half of one value and half of another; two
 * of them may be of different moments. A read is done before the reads and writes that follow it, a write after those
 * before it (acquire and release): who writes data and then a flag has both seen in that order, if the program keeps it
 * too (`__sync_synchronize()`, `bpf_spin_lock()`, or the order of x86-64). An addition to what others add to is lost where
 * they come between reading and writing: let a program do it.
 *
 * @example
 * ```js
 * using memory = ebpf.map('totals', ArrayMap).mmap({ writable: true });
 * memory.storeUint32(0, memory.loadUint32(4));
 * ```
 */
export class MappedMemory {
  readonly #mapping: Mapping;

  static {
    Object.defineProperty(MappedMemory.prototype, inspect.custom, {
      value(this: MappedMemory): string {
        const state = this.closed ? ', closed' : this.writable ? ', writable' : '';
        return `MappedMemory { ${this.length} bytes${state} }`;
      },
    });
  }

  /** @internal */
  constructor(mapping: Mapping) {
    this.#mapping = mapping;
  }

  /** Bytes. */
  get length(): number {
    return this.#mapping.length;
  }

  /** Whether it can be written to. */
  get writable(): boolean {
    return this.#mapping.writable;
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#mapping.closed;
  }

  /**
   * Fills `destination` with the bytes from `offset` on, and returns it.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when that leaves the memory; `ERR_EBPF_CLOSED`.
   */
  read<Destination extends Uint8Array>(offset: number, destination: Destination): Destination {
    requireOffset(offset, 1);
    this.#mapping.read(offset, destination);
    return destination;
  }

  /**
   * Writes the bytes of `source` from `offset` on.
   *
   * @throws {@link UsageError} when that leaves the memory, or the memory is read-only or closed.
   */
  write(offset: number, source: Uint8Array): void {
    requireOffset(offset, 1);
    this.#mapping.write(offset, source);
  }

  /**
   * The value at `offset`, of a type such as `u32` or a `struct({ … })`.
   *
   * @throws {@link UsageError} when it leaves the memory.
   */
  get<Value>(offset: number, codec: EntryCodec<Value, never>): Value {
    const bytes = this.read(offset, new Uint8Array(codec.size));
    return codec.decode(new DataView(bytes.buffer), 0);
  }

  /**
   * Writes `value` at `offset`, with zeros for the padding of structs.
   *
   * @throws {@link UsageError} with the field's path when `value` is not of the type, before anything is written.
   */
  set<ValueInput>(offset: number, codec: EntryCodec<unknown, ValueInput>, value: ValueInput): void {
    const bytes = new Uint8Array(codec.size);
    codec.encode(value, new DataView(bytes.buffer), 0, 'value');
    this.write(offset, bytes);
  }

  /** The number in the 4 bytes at `offset`, a multiple of 4. */
  loadUint32(offset: number): number {
    requireOffset(offset, 4);
    this.#mapping.load(offset, 4);
    return word.getUint32(0, hostIsLittleEndian);
  }

  /** Writes a number into the 4 bytes at `offset`, a multiple of 4. */
  storeUint32(offset: number, value: number): void {
    requireOffset(offset, 4);
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) {
      throw UsageError.invalidValue('value', `must be a whole number from 0 to 4294967295, not ${inspect(value)}`);
    }
    word.setUint32(0, value, hostIsLittleEndian);
    this.#mapping.store(offset, 4);
  }

  /** The number in the 8 bytes at `offset`, a multiple of 8. */
  loadBigUint64(offset: number): bigint {
    requireOffset(offset, 8);
    this.#mapping.load(offset, 8);
    return word.getBigUint64(0, hostIsLittleEndian);
  }

  /** Writes a number into the 8 bytes at `offset`, a multiple of 8. */
  storeBigUint64(offset: number, value: bigint): void {
    requireOffset(offset, 8);
    if (!(typeof value === 'bigint' && BigInt.asUintN(64, value) === value)) {
      throw UsageError.invalidValue(
        'value',
        `must be a bigint from 0n to 18446744073709551615n, not ${inspect(value)}`,
      );
    }
    word.setBigUint64(0, value, hostIsLittleEndian);
    this.#mapping.store(offset, 8);
  }

  /** Lets go of the memory. The map stays open. May be called again. */
  close(): void {
    this.#mapping.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function requireOffset(offset: number, alignment: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset % alignment === 0) return;
  const kind = alignment === 1 ? 'a whole number' : `a multiple of ${alignment}`;
  throw UsageError.invalidValue('offset', `must be ${kind} from 0, not ${inspect(offset)}`);
}
