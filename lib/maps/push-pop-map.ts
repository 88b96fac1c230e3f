import { MapUpdateFlag } from '../abi/index.js';
import { UsageError } from '../errors/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import type { EntryCodecs } from './map-types.js';
import { ValueStore } from './value-store.js';

/** What {@link PushPopMap.push} does when the map is full. */
export interface PushOptions {
  /** Drops the value that has been there the longest, of a queue as of a stack, in place of throwing. */
  readonly dropOldest?: boolean | undefined;
}

/**
 * What queues and stacks have in common: values without keys, which programs and user space push and pop. Values are decoded
 * by a declared type, or by BTF; without either they are owned bytes.
 */
export abstract class PushPopMap<Value, ValueInput = Value> extends BpfMap {
  /** @internal */
  protected readonly store: ValueStore<Value, ValueInput>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.store = new ValueStore(this);
  }

  /**
   * Adds a value.
   *
   * @throws {@link UsageError} with the field's path when `value` is not of its type; {@link KernelError} E2BIG when the map
   * is full.
   */
  push(value: ValueInput, options: PushOptions = {}): void {
    this.store.put(value, options.dropOldest === true ? MapUpdateFlag.EXIST : MapUpdateFlag.ANY);
  }

  /** Removes the next value and returns it, in one step; undefined when the map is empty. */
  pop(): Value | undefined {
    return this.store.next(true);
  }

  /** The next value, which stays; undefined when the map is empty. */
  peek(): Value | undefined {
    return this.store.next(false);
  }

  /** Pops until the map is empty, or `limit` values; by default as many as it holds, so that it ends while programs push. */
  drain(limit: number = this.maxEntries): Value[] {
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw UsageError.invalidValue('limit', `must be a whole number from 0, not ${String(limit)}`);
    }
    const values: Value[] = [];
    while (values.length < limit) {
      const value = this.store.next(true);
      if (value === undefined) break;
      values.push(value);
    }
    return values;
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.store.types.declared;
  }
}
