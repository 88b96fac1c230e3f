import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewValueMapOptions } from './create-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { PushPopMap } from './push-pop-map.js';

/**
 * A stack: what was pushed last is popped first. Least kernel: 4.20.
 *
 * @example
 * ```js
 * const free = await Stack.create({ value: u32, maxEntries: 64 });
 * free.push(7);
 * console.log(free.peek());
 * ```
 */
export class Stack<Value = unknown, ValueInput = Value> extends PushPopMap<Value, ValueInput> {
  /** A stack whose values have a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(value: EntryCodec<Value, ValueInput>): TypedMapKind<Stack<Value, ValueInput>> {
    return typedKind((map) => {
      const stack = Stack.from(map);
      stack.store.types.declare({ value });
      return stack as Stack<Value, ValueInput>;
    });
  }

  /**
   * Makes a stack without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewValueMapOptions<Value, ValueInput>,
  ): Promise<Stack<Value, ValueInput>> {
    const map = await createMap({ type: MapType.STACK, key: 'none' }, options);
    return Stack.from(map) as Stack<Value, ValueInput>;
  }

  /** `map` as a stack. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): Stack {
    if (map instanceof Stack) return map as Stack;
    throw wrongKind(map, 'Stack');
  }
}
