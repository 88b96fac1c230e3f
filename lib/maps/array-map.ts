import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { typesAlreadyChosen } from './entry-codecs.js';
import type { MapKind } from './map-kind.js';
import { codecByBtf, requireLayout } from './value-types.js';
import { walkEntries } from './walk.js';

/**
 * An array of values in the kernel, all of which exist from the start. Values are decoded by the object's BTF, or by a
 * declared type ({@link ArrayMap.of}); without either they are owned bytes. Least kernel: 3.19.
 *
 * @example
 * ```js
 * const totals = ebpf.map('totals', ArrayMap);
 * totals.set(0, totals.get(0) + 1n);
 * ```
 */
export class ArrayMap<Value = unknown, ValueInput = Value> extends BpfMap {
  readonly #key = new Uint8Array(4);
  readonly #index: Uint32Array = new Uint32Array(this.#key.buffer);
  readonly #value: Uint8Array;
  readonly #valueView: DataView;
  #codec: Codec<unknown> | undefined;
  #declared = false;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#value = new Uint8Array(details.valueSize);
    this.#valueView = new DataView(this.#value.buffer);
  }

  /** An array whose values have a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(value: Codec<Value, ValueInput>): MapKind<ArrayMap<Value, ValueInput>> {
    return {
      from(map): ArrayMap<Value, ValueInput> {
        const array = ArrayMap.from(map);
        array.#declare(value);
        return array as ArrayMap<Value, ValueInput>;
      },
    };
  }

  /** `map` as an array. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): ArrayMap {
    if (map instanceof ArrayMap) return map as ArrayMap;
    throw wrongKind(map, 'ArrayMap');
  }

  /** How many values there are. */
  get length(): number {
    return this.maxEntries;
  }

  /** The value at `index`, or undefined when it is past the end. */
  get(index: number): Value | undefined {
    this.#setIndex(index);
    if (!this.raw.get(this.#key, this.#value)) return undefined;
    return this.#codecOrBtf().decode(this.#valueView, 0) as Value;
  }

  /**
   * Stores `value` at `index`.
   *
   * @throws {@link UsageError} when `index` is past the end, or with the field's path when `value` is not of its type.
   */
  set(index: number, value: ValueInput): void {
    this.#setIndex(index);
    if (index >= this.maxEntries) {
      throw UsageError.invalidValue(
        'index',
        `${index} is past the end of map ${quote(this.name)}, whose length is ${this.length}`,
      );
    }
    this.#codecOrBtf().encode(value, this.#valueView, 0, 'value');
    this.raw.set(this.#key, this.#value);
  }

  /** Each index with its value, read many at a time. */
  *entries(): IterableIterator<[number, Value]> {
    let index = 0;
    for (const value of this.values()) yield [index++, value];
  }

  /** The values in order, read many at a time. */
  *values(): IterableIterator<Value> {
    this.requireOpen();
    const codec = this.#codecOrBtf();
    // The kernel pads the values of an array to 8 bytes inside, but not in what it copies out.
    for (const { count, values } of walkEntries(this.details)) {
      const view = new DataView(values.buffer);
      for (let index = 0; index < count; index++) yield codec.decode(view, index * this.valueSize) as Value;
    }
  }

  /** The values, as a JavaScript array's iterator gives them. */
  [Symbol.iterator](): IterableIterator<Value> {
    return this.values();
  }

  #setIndex(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index > 0xffff_ffff) {
      throw UsageError.invalidValue('index', `must be a whole number from 0, not ${String(index)}`);
    }
    this.#index[0] = index;
  }

  #declare(codec: Codec<unknown>): void {
    if (this.#codec === codec) return;
    const { types, valueSize } = this.details;
    requireLayout(`the value of map ${quote(this.name)}`, codec, types, types.valueType, valueSize);
    if (this.#codec !== undefined) throw typesAlreadyChosen(this, this.#declared);
    this.#codec = codec;
    this.#declared = true;
  }

  #codecOrBtf(): Codec<unknown> {
    if (this.#codec === undefined) {
      const { types, valueSize } = this.details;
      this.#codec = codecByBtf(types, types.valueType, valueSize);
    }
    return this.#codec;
  }
}
