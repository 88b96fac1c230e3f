import { MapFlag } from '../abi/index.js';
import { KernelError, UsageError, quote } from '../errors/index.js';
import { Mapping, mapLookup, mapUpdate, type Handle } from '../sys/index.js';

const onlyKey = new Uint8Array(4);

/**
 * The contents of a data section in the kernel. Where the map can be mapped into memory, reading and writing costs no
 * system call and an aligned number is never seen half written; else the section is read and written as a whole.
 */
export class DataMemory {
  readonly #map: Handle;
  readonly #name: string;
  readonly #size: number;
  readonly #mapped: boolean;
  readonly #writable: boolean;
  readonly #base: number;
  readonly #given: Mapping | undefined;
  #mapping: Mapping | undefined;
  #whole: Uint8Array | undefined;

  /** `mapping` is memory that is mapped already, in which the contents begin at `base`. It stays its owner's to close. */
  constructor(
    map: Handle,
    details: {
      name: string;
      size: number;
      flags: number;
      writable: boolean;
      mapping?: Mapping | undefined;
      base?: number | undefined;
    },
  ) {
    this.#map = map;
    this.#name = details.name;
    this.#size = details.size;
    this.#mapped = (details.flags & MapFlag.MMAPABLE) !== 0;
    this.#writable = details.writable;
    this.#given = details.mapping;
    this.#base = details.base ?? 0;
  }

  read(offset: number, destination: Uint8Array): void {
    this.#requireOpen();
    if (this.#mapped) this.#memory().read(this.#base + offset, destination);
    else destination.set(this.#lookup().subarray(offset, offset + destination.length));
  }

  /** Writes a variable. Without a mapping the section around it is written back too: a program's change may be undone. */
  write(offset: number, source: Uint8Array): void {
    this.#requireOpen();
    if (this.#mapped) {
      this.#memory().write(this.#base + offset, source);
      return;
    }
    const whole = this.#lookup();
    whole.set(source, offset);
    const result = mapUpdate(this.#map, onlyKey, whole, 0);
    if (result < 0) throw new KernelError(`write section ${quote(this.#name)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
  }

  /** Whether {@link load} and {@link store} can be used. */
  get mapped(): boolean {
    return this.#mapped;
  }

  /** Reads a value of 1, 2, 4 or 8 bytes to the beginning of `word`. */
  load(offset: number, size: number): void {
    this.#requireOpen();
    this.#memory().load(this.#base + offset, size);
  }

  /** Writes a value of 1, 2, 4 or 8 bytes from the beginning of `word`. */
  store(offset: number, size: number): void {
    this.#requireOpen();
    this.#memory().store(this.#base + offset, size);
  }

  close(): void {
    this.#mapping?.close();
  }

  #memory(): Mapping {
    if (this.#given !== undefined) return this.#given;
    this.#mapping ??= Mapping.create(this.#map, this.#size, { writable: this.#writable });
    return this.#mapping;
  }

  #lookup(): Uint8Array {
    this.#whole ??= new Uint8Array(this.#size);
    const result = mapLookup(this.#map, onlyKey, this.#whole, 0);
    if (result < 0) throw new KernelError(`read section ${quote(this.#name)}`, 'bpf(BPF_MAP_LOOKUP_ELEM)', result);
    return this.#whole;
  }

  #requireOpen(): void {
    if (this.#map.closed) throw UsageError.closed(`map ${quote(this.#name)}`);
  }
}
