import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewValueMapOptions } from './create-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { PushPopMap } from './push-pop-map.js';

/**
 * A queue: what was pushed first is popped first. Least kernel: 4.20.
 *
 * @example
 * ```js
 * const jobs = ebpf.map('jobs', Queue.of(u32));
 * jobs.push(7);
 * for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) console.log(job);
 * ```
 */
export class Queue<Value = unknown, ValueInput = Value> extends PushPopMap<Value, ValueInput> {
  /** A queue whose values have a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(value: EntryCodec<Value, ValueInput>): TypedMapKind<Queue<Value, ValueInput>> {
    return typedKind((map) => {
      const queue = Queue.from(map);
      queue.store.types.declare({ value });
      return queue as Queue<Value, ValueInput>;
    });
  }

  /**
   * Makes a queue without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewValueMapOptions<Value, ValueInput>,
  ): Promise<Queue<Value, ValueInput>> {
    const map = await createMap({ type: MapType.QUEUE, key: 'none' }, options);
    return Queue.from(map) as Queue<Value, ValueInput>;
  }

  /** `map` as a queue. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): Queue {
    if (map instanceof Queue) return map as Queue;
    throw wrongKind(map, 'Queue');
  }
}
