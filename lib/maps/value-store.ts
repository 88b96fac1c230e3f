import type { BpfMap } from './bpf-map.js';
import { MapTypes } from './map-types.js';

interface Scratch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Values of a map without keys as JavaScript values: what queues, stacks and bloom filters are made of. @internal */
export class ValueStore<Value, ValueInput> {
  readonly types: MapTypes;
  readonly #map: BpfMap;
  #scratch: Scratch | undefined;

  constructor(map: BpfMap) {
    this.#map = map;
    this.types = new MapTypes(map.details);
  }

  put(value: ValueInput, flags: number): void {
    const scratch = this.#encoded(value);
    this.#map.raw.set(null, scratch.bytes, flags);
    this.#scratch = scratch;
  }

  /** Whether the map may hold `value`: only bloom filters tell. */
  has(value: ValueInput): boolean {
    const scratch = this.#encoded(value);
    const found = this.#map.raw.get(null, scratch.bytes);
    this.#scratch = scratch;
    return found;
  }

  /** The next value, which goes when it is taken. */
  next(takes: boolean): Value | undefined {
    const scratch = this.#takeScratch();
    const { raw } = this.#map;
    const found = takes ? raw.take(null, scratch.bytes) : raw.get(null, scratch.bytes);
    const value = found ? (this.types.value.decode(scratch.view, 0) as Value) : undefined;
    this.#scratch = scratch;
    return value;
  }

  #encoded(value: ValueInput): Scratch {
    const scratch = this.#takeScratch();
    // A codec of the caller's own may leave bytes as they are.
    scratch.bytes.fill(0);
    this.types.value.encode(value, scratch.view, 0, 'value');
    return scratch;
  }

  /** The one buffer, or a new one while that is in use: a codec or a getter may call the map again. */
  #takeScratch(): Scratch {
    const scratch = this.#scratch;
    this.#scratch = undefined;
    if (scratch !== undefined) return scratch;
    const bytes = new Uint8Array(this.#map.details.valueBytes);
    return { bytes, view: new DataView(bytes.buffer) };
  }
}
