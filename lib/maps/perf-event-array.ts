import type { Codec } from '../codec/index.js';
import {
  PerfEvents,
  RecordType,
  checkPerfOptions,
  checkRecordOptions,
  FlightRecorder,
  type EventReader,
  type PerfReadOptions,
  type RecordOptions,
} from '../events/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { EventMap } from './event-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A perf event array, into which programs write events with `bpf_perf_event_output()`: the kernel keeps memory for each CPU.
 * On kernels from 5.8 on a {@link RingBuffer} is cheaper for programs and keeps the order. Events are decoded as those of
 * a ring; without a type they are owned bytes, of which up to seven at the end may be padding. Least kernel: 4.4.
 *
 * @example
 * ```js
 * const events = ebpf.map('events', PerfEventArray.of('event'));
 * for await (const event of events.read({ bytesPerCpu: 1024 * 1024 })) console.log(event.pid, event.comm);
 * ```
 */
export class PerfEventArray<Event = Uint8Array> extends EventMap {
  /** @internal */
  protected override readonly noun = 'perf event array';

  /** An array of events of one type, as {@link RingBuffer.of} takes it. */
  static of<Event>(type: Codec<Event, never>): TypedMapKind<PerfEventArray<Event>>;
  static of(type: string): TypedMapKind<PerfEventArray<unknown>>;
  static of<Event>(type: string | Codec<Event, never>): TypedMapKind<PerfEventArray<Event>> {
    return typedKind((map) => {
      const array = PerfEventArray.from(map);
      array.declare(type);
      return array as PerfEventArray<unknown> as PerfEventArray<Event>;
    });
  }

  /** `map` as a perf event array. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): PerfEventArray {
    if (map instanceof PerfEventArray) return map as PerfEventArray;
    throw wrongKind(map, 'PerfEventArray');
  }

  /**
   * Opens the one reader of this map: a perf event for each CPU, in the map's slots. Before it, and after its end,
   * programs fail to write.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` while there is another reader, `ERR_EBPF_CLOSED` after the map was closed;
   * {@link PermissionError} without CAP_PERFMON, or when `bytesPerCpu` is more than RLIMIT_MEMLOCK and
   * `/proc/sys/kernel/perf_event_mlock_kb` allow.
   */
  read(options: PerfReadOptions = {}): EventReader<Event> {
    const checked = checkPerfOptions(options);
    this.requireFree();
    const events = new PerfEvents(this.handle, this.name, this.maxEntries, checked);
    const reader = this.open(
      (codec) => ({
        type: new RecordType(this.name, this.noun, codec),
        source: events.buffer,
        capacity: checked.bytesPerCpu,
        total: checked.bytesPerCpu * events.cpus,
        byTime: checked.byTime,
        options: checked,
        drops: { dropped: this.details.dropped, inBand: true, lost: () => events.lost() },
        onCpusChanged: () => {
          events.refresh();
        },
        onClosing: () => {
          events.stop();
        },
      }),
      () => {
        events.close();
      },
    );
    return reader as EventReader<Event>;
  }

  /**
   * Keeps the newest events for when they are asked for: a flight recorder. It takes the place of the one reader. Least
   * kernel: 4.7.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` while there is a reader or recorder, `ERR_EBPF_CLOSED` after the map was
   * closed; {@link PermissionError} as {@link PerfEventArray.read}.
   *
   * @example
   * ```js
   * const recorder = ebpf.map('events', PerfEventArray.of('event')).record({ bytesPerCpu: 1024 * 1024 });
   * for (const event of await recorder.snapshot()) console.log(event.pid, event.comm);
   * ```
   */
  record(options: RecordOptions = {}): FlightRecorder<Event> {
    const checked = checkRecordOptions(options);
    this.requireFree();
    const events = new PerfEvents(this.handle, this.name, this.maxEntries, checked);
    try {
      const recorder = this.occupy('flight recorder', (codec, onClose) => {
        const drops = { dropped: this.details.dropped, inBand: true, lost: () => events.lost() };
        return new FlightRecorder({
          ...{ type: new RecordType(this.name, this.noun, codec), events },
          ...{ options: checked, drops, onClose },
        });
      });
      return recorder as FlightRecorder<Event>;
    } catch (error) {
      events.close();
      throw error;
    }
  }
}
